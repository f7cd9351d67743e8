"""PURE: how many requests may be judged at once, learned from how long judging takes."""

from __future__ import annotations

from typing import Final

UNHURRIED_S: Final = 0.005
"""What takes less is as good as nothing: a turn of the loop, and somebody else's in between."""

WINDOW_S: Final = 0.05
LEAST_SAMPLES: Final = 10

TOLERANCE: Final = 1.5
SMOOTHING: Final = 0.2
SPARE: Final = 4
FIRST_GROWTH: Final = 1.5
LONG_WINDOW: Final = 600
WARM_UP: Final = 10
DRIFT: Final = 2.0
DRIFT_BACK: Final = 0.95


class Limit:
    """Gradient2, as Netflix has it in its concurrency limits: lower while judging takes longer.

    `value` moves between `least` and `most`: a short mean of what judging took is compared with a
    long one. It stays where it is while less than half of it is used, for then it limits nothing.
    Until judging takes longer for the first time it grows by half, as TCP starts: a crowd has no
    time to wait for small steps.
    """

    __slots__ = (
        "_began",
        "_count",
        "_least",
        "_long_s",
        "_most",
        "_peak",
        "_starting",
        "_sum_s",
        "_windows",
        "value",
    )

    def __init__(self, least: int, most: int) -> None:
        self.value = float(min(least, most))
        self._least = float(min(least, most))
        self._most = float(most)
        self._long_s = 0.0
        self._windows = 0
        self._began = 0.0
        self._sum_s = 0.0
        self._count = 0
        self._peak = 0
        self._starting = True

    def note(self, took_s: float, at_once: int, now: float) -> None:
        """One request was judged, `at_once` at the same time with it."""
        if not self._count:
            self._began = now
        self._sum_s += took_s
        self._count += 1
        self._peak = max(self._peak, at_once)
        if self._count >= LEAST_SAMPLES and now - self._began >= WINDOW_S:
            self._learn(max(UNHURRIED_S, self._sum_s / self._count))
            self._sum_s, self._count, self._peak = 0.0, 0, 0

    def _learn(self, short_s: float) -> None:
        self._windows += 1
        if self._windows <= WARM_UP:
            self._long_s += (short_s - self._long_s) / self._windows
        else:
            self._long_s += (short_s - self._long_s) * 2 / (LONG_WINDOW + 1)
        if self._long_s / short_s > DRIFT:
            self._long_s *= DRIFT_BACK  # it has been slow, and is not any more
        if self._peak < self.value / 2:
            return
        gradient = min(1.0, max(0.5, TOLERANCE * self._long_s / short_s))
        self._starting = self._starting and gradient >= 1.0
        if self._starting:
            moved = self.value * FIRST_GROWTH
        else:
            moved = self.value + SMOOTHING * (gradient * self.value + SPARE - self.value)
        self.value = min(self._most, max(self._least, moved))
