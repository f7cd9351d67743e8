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
    from keepline.monitor.gauges import Gauge
    from keepline.monitor.rules.seasons import Seasons
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
LEAST_SEASON: Final = 0.15  # of what an hour brings every week: by as much weeks differ
AT_THIS_HOUR: Final = " at this hour"
SLACK: Final = 1.0  # z-scores by which a minute may be high without adding to the sum
MOST_Z: Final = 3.5  # of one minute: it takes more than one to make a shift
SHIFTED: Final = 5.0  # a sum above
MOST_SUM: Final = 2 * SHIFTED  # so that a finding ends soon after its shift has


class Outliers:
    """One gauge whose latest samples are far above usual; two of three, since one may be chance."""

    __slots__ = ("_interval_s", "_latch", "_normal", "_seasons", "_z", "gauge")

    def __init__(self, gauge: Gauge, settings: Rules, seasons: Seasons | None = None) -> None:
        self.gauge = gauge
        self._seasons = seasons
        self._latch = Latch(0.0, settings.hold_s)
        self._normal: Usual | None = None
        self._interval_s = 0.0
        self._z = 0.0  # the highest, when last seen

    def learn(self, series: Series) -> None:
        """Learn what is usual; to be called about once a minute, with the last hour."""
        times, values = series
        if len(values) <= RECENT:
            return
        every = -(-len(values) // POINTS)
        before = values[-1 - RECENT :: -every]
        self._interval_s = min(later - time for time, later in pairwise(times[-1 - RECENT :]))
        self._normal = usual(self.gauge, before, self._interval_s, LEAST_STRAY)

    def look(self, now: float, latest: Series) -> Finding | None:
        """Return what holds now; to be called with each sample, and the latest three at least."""
        if self._normal is None or not latest.times:
            return None
        normal = self._in_season(self._normal, latest.times[-1])
        far = [z for z in map(normal.z, latest.values[-RECENT:]) if z > OUTLIER_Z]
        over = len(far) >= OUTLIERS
        if over:
            self._z = max(far)
        if not self._latch.update(now, over=over, clear=not over):
            return None
        when = "" if normal is self._normal else AT_THIS_HOUR
        told = _told(self.gauge, latest.values[-1], normal, when)
        return _finding(self.gauge, self._z, OUTLIER_Z, told)

    def _in_season(self, normal: Usual, wall: float) -> Usual:
        """Return what is usual, or as much more as this hour brings every week."""
        height = None if self._seasons is None else self._seasons.usual(self.gauge, wall)
        if height is None:
            return normal
        return normal.up_to(self.gauge, height.minute, self._interval_s, LEAST_SEASON)


class Shift:
    """One gauge whose minutes have moved up: Page's cumulative sum (CUSUM) of their z-scores."""

    __slots__ = ("_added_until", "_latch", "_learned_until", "_seasons", "_total", "gauge")

    def __init__(self, gauge: Gauge, settings: Rules, seasons: Seasons | None = None) -> None:
        self.gauge = gauge
        self._seasons = seasons
        self._latch = Latch(0.0, settings.hold_s)
        self._total = 0.0
        self._added_until = float("-inf")
        self._learned_until = float("-inf")

    def learn(self, series: Series) -> None:
        """Learn what this hour brings; to be called about once a minute, with the last hour."""
        if self._seasons is None:
            return
        minutes = _since(by_step(series, MINUTE_S, fmean), self._learned_until)
        if minutes.times:
            self._seasons.add(self.gauge, minutes)
            self._learned_until = minutes.times[-1] + MINUTE_S / 2

    def look(self, now: float, series: Series) -> Finding | None:
        """Return what holds now; to be called about once a minute, with the last hour."""
        minutes = by_step(series, MINUTE_S, fmean)
        normal = usual(self.gauge, minutes.values, MINUTE_S, LEAST_SHIFT)
        if normal is None:
            return None
        season = self._in_season(normal, minutes.times[-1])
        for value in _since(minutes, self._added_until).values:
            self._total = summed(self._total, season.z(value))
        self._added_until = minutes.times[-1] + MINUTE_S / 2
        shifted = self._total > SHIFTED
        if not self._latch.update(now, over=shifted, clear=not shifted):
            return None
        when = "" if season is normal else AT_THIS_HOUR
        told = f"{_told(self.gauge, minutes.values[-1], season, when)}, and it lasts"
        return _finding(self.gauge, self._total, SHIFTED, told)

    def _in_season(self, normal: Usual, wall: float) -> Usual:
        """Return what is usual, or as much more as this hour brings every week."""
        height = None if self._seasons is None else self._seasons.usual(self.gauge, wall)
        if height is None:
            return normal
        return normal.up_to(self.gauge, height.block, MINUTE_S, LEAST_SEASON)


def _since(minutes: Series, until: float) -> Series:
    """Return what was not taken by then; of a clock that was set back, the latest minute."""
    if minutes.times and minutes.times[-1] < until - MINUTE_S:
        until = minutes.times[-1]
    return since(minutes, until)


def summed(total: float, z: float) -> float:
    """Return the cumulative sum after one more z-score."""
    return min(MOST_SUM, max(0.0, total + min(z, MOST_Z) - SLACK))


def _told(gauge: Gauge, value: float, normal: Usual, when: str) -> str:
    return (
        f"{called(gauge)}: {amount(gauge, value)}, usual{when} are"
        f" {amount(gauge, normal.centre)}, give or take {amount(gauge, normal.spread)}"
    )


def _finding(gauge: Gauge, value: float, limit: float, detail: str) -> Finding:
    return Finding(gauge, Kind.ANOMALY, Severity.MEDIUM, value, limit, None, detail)
