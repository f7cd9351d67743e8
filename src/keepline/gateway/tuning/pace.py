"""PURE: how many samples are taken: fewer where they cost too much of a core."""

from __future__ import annotations

from typing import Final

MOST: Final = 0.01
"""Of a core is what looking at all sessions may take."""

MOST_APART: Final = 4
"""Every so many-th sample is taken at the least."""

RECENT: Final = 0.25  # how much the latest look counts


class Pace:
    """Every `one_in`-th sample is taken, of those that come every `period_s`."""

    __slots__ = ("_cost_s", "_period_s", "one_in")

    def __init__(self, period_s: float) -> None:
        self.one_in = 1
        self._cost_s = 0.0
        self._period_s = period_s

    @property
    def share(self) -> float:
        """What they take of a core now."""
        return self._cost_s / (self._period_s * self.one_in)

    def note(self, took_s: float) -> None:
        """One look has taken so much CPU time; twice as often again only where that costs half."""
        self._cost_s += RECENT * (took_s - self._cost_s)
        if self.share > MOST and self.one_in < MOST_APART:
            self.one_in *= 2
        elif self.one_in > 1 and 2 * self.share < MOST / 2:
            self.one_in //= 2
