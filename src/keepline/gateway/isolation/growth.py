"""Whether a number grows and does not come back: what a leak looks like from outside. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

LOOKS: Final = 5
"""Numbers in a row that tell: one more than the rises that it takes."""

LEAST: Final = 8
"""A growth of less than this over all of them is nothing."""


class Load(NamedTuple):
    """What an owner has under way: `tasks` and `timers` beside its calls, bytes that wait."""

    tasks: int
    timers: int
    queued_bytes: int

    def plus(self, other: Load) -> Load:
        """Return both together."""
        return Load(
            self.tasks + other.tasks,
            self.timers + other.timers,
            self.queued_bytes + other.queued_bytes,
        )


NOTHING: Final = Load(0, 0, 0)


class Trail(NamedTuple):
    """The last looks at one owner, the oldest first."""

    loads: tuple[Load, ...] = ()

    def then(self, load: Load) -> Trail:
        """Return the trail with one more look."""
        return Trail((*self.loads, load)[-LOOKS:])

    @property
    def latest(self) -> Load:
        """What the owner has now."""
        return self.loads[-1] if self.loads else NOTHING

    @property
    def growing(self) -> tuple[str, ...]:
        """Return which of its numbers rose at every look, and by enough."""
        loads = self.loads
        if len(loads) < LOOKS or loads[0] == loads[-1]:  # as with almost everybody
            return ()
        return tuple(
            name for name in Load._fields if rises([getattr(load, name) for load in loads])
        )


def rises(numbers: list[int]) -> bool:
    """Return whether numbers rose at every step, `LOOKS` of them, and by `LEAST` in all."""
    steps = pairwise(numbers)
    return (
        len(numbers) >= LOOKS
        and all(after > before for before, after in steps)
        and numbers[-1] - numbers[0] >= LEAST
    )
