"""What nobody wants to be told of for a while. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 100
"""So many at once; whoever wants more means something wider."""


class Silence(Struct, frozen=True):
    """Of a gauge or an incident, of a kind, or of both; empty stands for all. Wall clock."""

    number: int
    about: str
    kind: str
    until: float
    by: str = ""
    note: str = ""


class Silences:
    """Those that hold, in the order in which they were made."""

    __slots__ = ("_held", "next_number")

    def __init__(self, held: Iterable[Silence] = (), next_number: int = 1) -> None:
        self._held = list(held)
        self.next_number = next_number

    @property
    def held(self) -> tuple[Silence, ...]:
        """All that were made, until somebody asks what holds at a time."""
        return tuple(self._held)

    def at(self, wall: float) -> tuple[Silence, ...]:
        """Return what is silenced at that time; what is over is forgotten."""
        self._held = [each for each in self._held if each.until > wall]
        return tuple(self._held)

    def add(
        self, about: str, kind: str, wall: float, for_s: float, *, by: str = "", note: str = ""
    ) -> Silence | None:
        """Silence from now on; None when there are too many."""
        if len(self.at(wall)) >= MOST:
            return None
        silence = Silence(self.next_number, about, kind, wall + for_s, by, note)
        self.next_number += 1
        self._held.append(silence)
        return silence

    def lift(self, number: int) -> bool:
        """End one; False when there is none of that number."""
        left = [each for each in self._held if each.number != number]
        found = len(left) < len(self._held)
        self._held = left
        return found

    def cover(self, about: str, kind: str, wall: float) -> bool:
        """Say whether something is silenced at that time."""
        return any(each.about in {"", about} and each.kind in {"", kind} for each in self.at(wall))
