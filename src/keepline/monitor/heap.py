"""The heap of a node: short passes of the collector, and memory given back after a crowd."""

from __future__ import annotations

import ctypes
import gc
from math import inf

CROWD = 1_000
"""Below this many sessions there is nothing worth giving back."""

BURST_BYTES = 16 << 20
"""Nor unless memory has grown by as much: what talk needed stays in the process when it is over."""

FIRST_TRY = 2
MOST_TRIES_APART = 120
"""So many samples after it has grown is tried first whether it can be given back; then ever later.

What is still needed is not free, and to look for it costs milliseconds.
"""

TALKERS = 100
"""Of fewer that fall silent nothing is made: their number halves often."""

SETTLE_S = 3
"""Until nothing refers any more to who has left: the last ping's roll call takes a second."""

AGAIN_S = 8
"""Until also what is remembered for a few seconds of who comes and goes is forgotten."""


class Heap:
    """Decides what is due, from how many sessions there are; ask both questions every second.

    With each sample it is told how much memory there is.
    """

    __slots__ = (
        "_apart",
        "_least_bytes",
        "_peak",
        "_samples_left",
        "_settled",
        "_talking",
        "_wait_s",
    )

    def __init__(self) -> None:
        self._peak = 0
        self._least_bytes = inf
        self._apart = self._samples_left = FIRST_TRY
        self._settled = 0
        self._talking = 0.0  # at the most since it was tried because so many had fallen silent
        self._wait_s = 0

    def has_grown(self, sessions: int) -> bool:
        """Return True once for every CROWD of sessions that has come: `settle` is due."""
        self._settled = min(self._settled, sessions)
        if sessions - self._settled < CROWD:
            return False
        self._settled = sessions
        return True

    def is_due(self, sessions: int) -> bool:
        """Return True when `give_back` is due.

        That is SETTLE_S and AGAIN_S after half of a crowd has left, and for every try.
        """
        self._peak = max(self._peak, sessions)
        if self._peak >= CROWD and sessions * 2 <= self._peak:
            self._peak = sessions
            self._wait_s = AGAIN_S
            return False
        if not self._wait_s:
            return False
        self._wait_s -= 1
        return self._wait_s in (AGAIN_S - SETTLE_S, 0)

    def see_memory(self, resident_bytes: float, talking: float) -> None:
        """Have it tried whether what talk has needed is free, until it is given back.

        It is, above all, when half of those who were `talking` have fallen silent.
        """
        self._least_bytes = min(self._least_bytes, resident_bytes)
        self._talking = max(self._talking, talking)
        if resident_bytes - self._least_bytes < BURST_BYTES:
            self._apart = self._samples_left = FIRST_TRY
            return
        if self._talking >= TALKERS and 2 * talking <= self._talking:
            self._talking = talking
            self._apart = self._samples_left = 1
        self._samples_left -= 1
        if not self._samples_left:
            self._apart = self._samples_left = min(2 * self._apart, MOST_TRIES_APART)
            self._wait_s = self._wait_s or 1


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
