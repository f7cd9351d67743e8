"""The allow-list, expected.toml, and the comparison of a run with it."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.fuzzing import Outcome

FILE = Path(__file__).with_name("expected.toml")

Grade = Literal["OK", "NON-STRICT", "INFORMATIONAL"]
"""What may be listed: FAILED, UNCLEAN, WRONG CODE and UNIMPLEMENTED never."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Group(_Table):
    """A chapter of the suite: its cases are numbered `number`.*."""

    number: int
    title: Annotated[str, Field(min_length=1)]
    cases: Annotated[int, Field(gt=0)]

    @property
    def pattern(self) -> str:
        return f"{self.number}.*"


class Allowed(_Table):
    """A case that may be other than OK, and why."""

    case: Annotated[str, Field(pattern=r"^\d+(\.\d+)+$")]
    behavior: Grade
    close: Grade
    reason: Annotated[str, Field(min_length=20)]


class Expected(_Table):
    """expected.toml."""

    group: tuple[Group, ...]
    allowed: tuple[Allowed, ...]

    @property
    def cases(self) -> int:
        """How many cases a whole run has."""
        return sum(group.cases for group in self.group)

    @property
    def patterns(self) -> list[str]:
        """What selects them all."""
        return [group.pattern for group in self.group]


def load() -> Expected:
    """expected.toml, checked. Raises pydantic.ValidationError."""
    return Expected.model_validate(tomllib.loads(FILE.read_text()))


def differences(expected: Expected, outcomes: Sequence[Outcome], *, whole: bool) -> list[str]:
    """Every way in which the outcomes are not the expected ones; empty when all is well.

    `whole`: all groups were run, so a missing case counts too.
    """
    allowed = {entry.case: entry for entry in expected.allowed}
    found = [_difference(outcome, allowed.get(outcome.case)) for outcome in outcomes]
    lines = [line for line in found if line]
    if whole:
        counted = Counter(int(outcome.case.split(".")[0]) for outcome in outcomes)
        lines += [
            f"{group.pattern}: {counted[group.number]} cases reported instead of {group.cases}"
            for group in expected.group
            if counted[group.number] != group.cases
        ]
    return lines


def _difference(outcome: Outcome, allowed: Allowed | None) -> str:
    is_now = f"{outcome.case}: {outcome.behavior}, close {outcome.close}"
    if allowed is None:
        return "" if outcome.is_ok else f"{is_now}; not on the allow-list"
    if (outcome.behavior, outcome.close) == (allowed.behavior, allowed.close):
        return ""
    return f"{is_now}; listed as {allowed.behavior}, close {allowed.close}"
