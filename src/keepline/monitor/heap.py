"""Giving memory back to the system when a crowd has left."""

from __future__ import annotations

import ctypes
import gc

CROWD = 1_000
"""Below this many sessions there is nothing worth giving back."""


class Heap:
    """Decides when to give back, from how many sessions there are; `give_back` does it."""

    __slots__ = ("_peak",)

    def __init__(self) -> None:
        self._peak = 0

    def is_due(self, sessions: int) -> bool:
        """Return True once when half of the largest crowd since the last time has left."""
        self._peak = max(self._peak, sessions)
        if self._peak < CROWD or sessions * 2 > self._peak:
            return False
        self._peak = sessions
        return True


def give_back() -> None:
    """Return what is free to the system; for a thread, it takes milliseconds.

    Nothing happens where the C library has no `malloc_trim` (glibc has).
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
