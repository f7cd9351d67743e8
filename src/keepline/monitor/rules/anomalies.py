"""A rate or a time that is above usual: far for a moment, or a little for long. Pure."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Final

from keepline.monitor.findings import Finding, Kind, Severity
from keepline.monitor.rules.latch import Latch
from keepline.monitor.rules.usual import usual
from keepline.monitor.rules.windows import by_step, since
from keepline.monitor.rules.words import amount, called

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.monitor.gauges import Gauge
    from keepline.monitor.rules.usual import Usual
    from keepline.monitor.sample import Series
    from keepline.settings.rules import Rules

POINTS: Final = 120  # of the last hour, evenly spread, say what is usual
RECENT: Final = 3  # samples that are judged
OUTLIERS: Final = 2  # of the recent ones
OUTLIER_Z: Final = 3.5
LEAST_STRAY: Final = 0.015  # of the median, for a sample: a MAD of 1 %

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
LEAST_SHIFT: Final = 0.1  # of the median, for a minute: as much as the hours of a day bring
SLACK: Final = 1.0  # z-scores by which a minute may be high without adding to the sum
MOST_Z: Final = 3.5  # of one minute: it takes more than one to make a shift
SHIFTED: Final = 5.0  # a sum above
MOST_SUM: Final = 2 * SHIFTED  # so that a finding ends soon after its shift has


class Outliers:
    """One gauge whose latest samples are far above usual; two of three, since one may be chance."""

    __slots__ = ("_latch", "_normal", "_z", "gauge")

    def __init__(self, gauge: Gauge, settings: Rules) -> None:
        self.gauge = gauge
        self._latch = Latch(0.0, settings.hold_s)
        self._normal: Usual | None = None
        self._z = 0.0  # the highest, when last seen

    def learn(self, series: Series) -> None:
        """Learn what is usual; to be called about once a minute, with the last hour."""
        times, values = series
        if len(values) <= RECENT:
            return
        every = -(-len(values) // POINTS)
        before = values[-1 - RECENT :: -every]
        interval_s = min(later - time for time, later in pairwise(times[-1 - RECENT :]))
        self._normal = usual(self.gauge, before, interval_s, LEAST_STRAY)

    def look(self, now: float, latest: Sequence[float]) -> Finding | None:
        """Return what holds now; to be called with each sample, and the latest three."""
        if self._normal is None or not latest:
            return None
        far = [z for z in map(self._normal.z, latest[-RECENT:]) if z > OUTLIER_Z]
        over = len(far) >= OUTLIERS
        if over:
            self._z = max(far)
        if not self._latch.update(now, over=over, clear=not over):
            return None
        told = _told(self.gauge, latest[-1], self._normal)
        return _finding(self.gauge, self._z, OUTLIER_Z, told)


class Shift:
    """One gauge whose minutes have moved up: Page's cumulative sum (CUSUM) of their z-scores."""

    __slots__ = ("_added_until", "_latch", "_total", "gauge")

    def __init__(self, gauge: Gauge, settings: Rules) -> None:
        self.gauge = gauge
        self._latch = Latch(0.0, settings.hold_s)
        self._total = 0.0
        self._added_until = float("-inf")

    def look(self, now: float, series: Series) -> Finding | None:
        """Return what holds now; to be called about once a minute, with the last hour."""
        minutes = by_step(series, MINUTE_S, fmean)
        normal = usual(self.gauge, minutes.values, MINUTE_S, LEAST_SHIFT)
        if normal is None:
            return None
        for value in since(minutes, self._added_until).values:
            self._total = summed(self._total, normal.z(value))
        self._added_until = minutes.times[-1] + MINUTE_S / 2
        shifted = self._total > SHIFTED
        if not self._latch.update(now, over=shifted, clear=not shifted):
            return None
        told = f"{_told(self.gauge, minutes.values[-1], normal)}, and it lasts"
        return _finding(self.gauge, self._total, SHIFTED, told)


def summed(total: float, z: float) -> float:
    """Return the cumulative sum after one more z-score."""
    return min(MOST_SUM, max(0.0, total + min(z, MOST_Z) - SLACK))


def _told(gauge: Gauge, value: float, normal: Usual) -> str:
    return (
        f"{called(gauge)}: {amount(gauge, value)}, usual are"
        f" {amount(gauge, normal.centre)}, give or take {amount(gauge, normal.spread)}"
    )


def _finding(gauge: Gauge, value: float, limit: float, detail: str) -> Finding:
    return Finding(gauge, Kind.ANOMALY, Severity.MEDIUM, value, limit, None, detail)
