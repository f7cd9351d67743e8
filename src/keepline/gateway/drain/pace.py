"""PURE: how fast a plan is carried out: slower while it hurts, faster again when it does not."""

from __future__ import annotations

from typing import Final

LAG_S: Final = 0.05
REFUSED_SHARE: Final = 0.01
SLOWER: Final = 0.7
FASTER: Final = 0.05
LEAST: Final = 0.05
EACH_S: Final = 1.0

HEADROOM: Final = 0.7
"""Of a loop, for admissions; the rest is for who is connected already."""

ASSUMED_COST_S: Final = 0.001
"""Of CPU for one admission, until it was measured: with TLS, and then some."""

LEAST_OPENED: Final = 50
"""So many admissions in a second make its CPU time tell something of them."""


class Pace:
    """`factor` is the share of the planned rate at which devices go now."""

    __slots__ = ("_judged_at", "_lags", "factor")

    def __init__(self, now: float) -> None:
        self.factor = 1.0
        self._judged_at = now
        self._lags: list[float] = []

    def note(self, lag_s: float) -> None:
        """By so much was a turn of our own loop late."""
        self._lags.append(lag_s)

    def is_due(self, now: float) -> bool:
        """Whether it is time to judge."""
        return now - self._judged_at >= EACH_S

    def judge(self, now: float, refused_share: float) -> None:
        """Look back at the time since the last look; `refused_share` is of those who went."""
        lags = sorted(self._lags)
        lag_p95_s = lags[int(0.95 * (len(lags) - 1))] if lags else 0.0
        self._lags.clear()
        self._judged_at = now
        if lag_p95_s > LAG_S or refused_share > REFUSED_SHARE:
            self.factor = max(LEAST, self.factor * SLOWER)
        else:
            self.factor = min(1.0, self.factor + FASTER)


class AdmissionCost:
    """What one admission costs this process, of CPU: the cheapest of the seconds that were busy.

    Whatever else was done in such a second counts as theirs, so the true cost is below it.
    """

    __slots__ = ("_cpu_s", "_opened", "cost_s")

    def __init__(self) -> None:
        self.cost_s: float | None = None
        self._opened = 0
        self._cpu_s = 0.0

    def note(self, opened: int, cpu_s: float) -> None:
        """Take the two totals, once a second."""
        more, spent_s = opened - self._opened, cpu_s - self._cpu_s
        self._opened, self._cpu_s = opened, cpu_s
        if more >= LEAST_OPENED and spent_s > 0:
            cost_s = spent_s / more
            self.cost_s = cost_s if self.cost_s is None else min(cost_s, self.cost_s)

    @property
    def rate_per_s(self) -> float:
        """How many admissions this node can go on making in a second."""
        return HEADROOM / (self.cost_s or ASSUMED_COST_S)
