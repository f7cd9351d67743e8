"""How long to wait before a process that ended is started again. Pure."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 0.1
LONGEST_S: Final = 30.0
GOOD_LIFE_S: Final = 60.0
"""Who has lived so long ended for a new reason, and is started again as at the first time."""


class Backoff:
    """Doubles with each short life."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def after(self, lived_s: float) -> float:
        """Return how long to wait after a life of that length."""
        if lived_s >= GOOD_LIFE_S:
            self._next_s = FIRST_S
        wait_s = self._next_s
        self._next_s = min(LONGEST_S, 2 * wait_s)
        return wait_s
