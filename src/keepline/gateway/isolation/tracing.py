"""Which lines of source hold memory that they did not hold before: for who looks for a leak."""

from __future__ import annotations

import tracemalloc
from typing import Final, NamedTuple

SHOWN: Final = 15


class Grown(NamedTuple):
    """A line of source, what it holds, and how much more than at the look before."""

    at: str
    held_bytes: int
    grown_bytes: int


class Tracing:
    """Compares with the look before; the first one has only the start to compare with.

    Python notes every piece of memory from `start` on, which makes everything slower.
    """

    __slots__ = ("_before", "_is_ours")

    def __init__(self) -> None:
        self._before: dict[str, int] = {}
        self._is_ours = False

    def start(self) -> None:
        """Have Python note where memory is taken, unless somebody has it do so already."""
        if not tracemalloc.is_tracing():
            tracemalloc.start()
            self._is_ours = True

    def stop(self) -> None:
        """Let it be, if it was begun here; idempotent."""
        if self._is_ours:
            self._is_ours = False
            tracemalloc.stop()

    def look(self) -> list[Grown]:
        """Return the lines that have grown most; takes a second and more, so: in a thread."""
        if not tracemalloc.is_tracing():
            return []
        held = {
            f"{each.traceback[0].filename}:{each.traceback[0].lineno}": each.size
            for each in tracemalloc.take_snapshot().statistics("lineno")
        }
        grown = [Grown(at, size, size - self._before.get(at, 0)) for at, size in held.items()]
        self._before = held
        return sorted(grown, key=lambda each: each.grown_bytes, reverse=True)[:SHOWN]
