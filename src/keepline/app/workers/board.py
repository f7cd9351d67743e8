"""How many devices each worker of a machine has, in a page of memory that all of them see."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NUMBER_BYTES: Final = 8
OWNER_ONLY: Final = 0o600


class Board:
    """One number for each slot from 1 on: a count, or what is below zero of who takes nobody.

    Each is written by its worker alone, and by who looks after them once that has ended. A number
    is read and written whole.
    """

    def __init__(self, path: Path, slots: int) -> None:
        """Open the board at `path`, or make it, with room for so many slots."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            is_new = os.fstat(descriptor).st_size == 0
            os.ftruncate(descriptor, slots * NUMBER_BYTES)
            self._memory = mmap.mmap(descriptor, slots * NUMBER_BYTES)
        finally:
            os.close(descriptor)
        self._counts = memoryview(self._memory).cast("q")
        if is_new:
            for slot in range(1, slots + 1):
                self.clear(slot)

    def put(self, slot: int, count: int, *, takes: bool) -> None:
        """Say how many that worker has, and whether it takes more."""
        self._counts[slot - 1] = count if takes else -2 - count

    def clear(self, slot: int) -> None:
        """There is no worker in this slot."""
        self._counts[slot - 1] = -1

    def count(self, slot: int) -> int:
        """Return how many that worker has; 0 where there is none."""
        number = self._counts[slot - 1]
        return number if number >= 0 else max(0, -2 - number)

    def least(self) -> int | None:
        """Return how many that one has, of those who take more, that has fewest."""
        return min((number for number in self._counts if number >= 0), default=None)

    def close(self) -> None:
        """Give the memory back; idempotent."""
        self._counts.release()
        self._memory.close()
