"""PURE: how many newcomers a turn of the loop has time for, learned from what turns took."""

from __future__ import annotations

from typing import Final

TURN_S: Final = 0.004
"""What a turn may take of the loop's CPU time: for so long nobody else is heard."""

LEAST: Final = 4
MOST: Final = 32

FIRST: Final = 16

SHARE: Final = 0.5
"""A turn in which less of the batch was used is not long because of newcomers."""


class Batch:
    """`size` moves between `LEAST` and `MOST`: quickly down, by one up, as TCP's window does."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = FIRST

    def note(self, took_s: float, used: int) -> None:
        """A turn took so much CPU time, and `used` so much of the batch."""
        if took_s > TURN_S:
            if used >= SHARE * self.size:
                fits = int(self.size * TURN_S / took_s)
                self.size = max(LEAST, self.size // 2, fits)
        elif used >= self.size:
            self.size = min(MOST, self.size + 1)
