"""Giving memory back to the system when a crowd has left."""

from __future__ import annotations

import ctypes
import gc

CROWD = 1_000
"""Below this many sessions there is nothing worth giving back."""

SETTLE_S = 3
"""Until nothing refers any more to who has left: the last ping's roll call takes a second."""


class Heap:
    """Decides when to give back, from how many sessions there are; `give_back` does it."""

    __slots__ = ("_peak", "_wait_s")

    def __init__(self) -> None:
        self._peak = 0
        self._wait_s = 0

    def is_due(self, sessions: int) -> bool:
        """Return True once, SETTLE_S after half of the largest crowd has left; ask every second."""
        self._peak = max(self._peak, sessions)
        if self._peak >= CROWD and sessions * 2 <= self._peak:
            self._peak = sessions
            self._wait_s = SETTLE_S
            return False
        if not self._wait_s:
            return False
        self._wait_s -= 1
        return not self._wait_s


def give_back() -> None:
    """Return what is free to the system; for a thread, it takes milliseconds.

    Nothing happens where the C library has no `malloc_trim` (glibc has).
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
