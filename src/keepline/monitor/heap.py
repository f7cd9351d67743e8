"""The heap of a node: short passes of the collector, and memory given back after a crowd."""

from __future__ import annotations

import ctypes
import gc

CROWD = 1_000
"""Below this many sessions there is nothing worth giving back."""

SETTLE_S = 3
"""Until nothing refers any more to who has left: the last ping's roll call takes a second."""

AGAIN_S = 8
"""Until also what is remembered for a few seconds of who comes and goes is forgotten."""


class Heap:
    """Decides what is due, from how many sessions there are; ask both questions every second."""

    __slots__ = ("_peak", "_settled", "_wait_s")

    def __init__(self) -> None:
        self._peak = 0
        self._settled = 0
        self._wait_s = 0

    def has_grown(self, sessions: int) -> bool:
        """Return True once for every CROWD of sessions that has come: `settle` is due."""
        self._settled = min(self._settled, sessions)
        if sessions - self._settled < CROWD:
            return False
        self._settled = sessions
        return True

    def is_due(self, sessions: int) -> bool:
        """Return True SETTLE_S and AGAIN_S after half of a crowd has left: `give_back`."""
        self._peak = max(self._peak, sessions)
        if self._peak >= CROWD and sessions * 2 <= self._peak:
            self._peak = sessions
            self._wait_s = AGAIN_S
            return False
        if not self._wait_s:
            return False
        self._wait_s -= 1
        return self._wait_s in (AGAIN_S - SETTLE_S, 0)


def pace() -> None:
    """Have the collector look at new objects when there are 10,000 of them, not each 700.

    Each device on its way in has dozens that are gone when it is in: a look at 200 devices' on
    their way finds no garbage, and costs a twentieth of all that an accept does.
    """
    gc.set_threshold(10_000, 10, 10)


def settle() -> None:
    """Keep the collector from looking at today's sessions in every full pass.

    They hold no cycles among themselves, and 15,000 of them make a pass of 10 ms. What is a
    cyclic garbage just now is kept with them until `give_back`.
    """
    gc.freeze()


def give_back(sessions: int) -> None:
    """Return what is free to the system; for a thread, it takes milliseconds.

    Without a crowd that would make it long, garbage is collected before. Nothing is returned
    where the C library has no `malloc_trim` (glibc has).
    """
    if sessions < CROWD:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
