"""Code of your own, which a start would load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.app.doctor.diagnosis import Diagnosis, ok, problem
from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable


def loaded(check: str, load: Callable[[], object], found: str) -> Diagnosis:
    """Return whether `load`, which raises StartError, can; `found` is what is so then."""
    try:
        load()
    except StartError as error:
        return problem(check, error.problem, error.hint)
    return ok(check, found)
