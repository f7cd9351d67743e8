"""Who looks when: dear rules one after the other, so that no evaluation does much. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.monitor.findings import Finding

STAGGER_S: Final = 5.0

T = TypeVar("T")


class Turn(Generic[T]):
    """One rule that looks every `every_s`, first `place` staggers after the beginning."""

    __slots__ = ("_due", "_every_s", "_place", "finding", "rule")

    def __init__(self, rule: T, every_s: float, place: int) -> None:
        self.rule = rule
        self.finding: Finding | None = None
        """What the latest look has found: it holds until the next."""
        self._every_s = every_s
        self._place = place
        self._due: float | None = None

    def take(self, now: float, look: Callable[[T], Finding | None]) -> None:
        """Look, if it is this rule's turn. A turn that was missed is not made up for."""
        if self._due is None:
            self._due = now + self._place * STAGGER_S
        if now < self._due:
            return
        self.finding = look(self.rule)
        self._due += self._every_s * (1 + (now - self._due) // self._every_s)
