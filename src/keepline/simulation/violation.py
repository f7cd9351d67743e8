"""What the simulation finds: something that must hold and does not."""

from __future__ import annotations

from keepline.errors import KeeplineError


class ViolationError(KeeplineError):
    """`rule` is the name of an invariant, as the documentation lists them."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule
        self.what = what
