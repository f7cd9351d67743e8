"""What is usual at this hour of the week, or of the day until weeks are known. Pure.

Of each hour the highest minute and the highest five minutes are kept, of four weeks; what most
weeks bring is usual. Hours are those of UTC: where people live by summer time, what they bring
comes an hour earlier or later twice a year, so the hours before and after are as usual.
"""

from __future__ import annotations

from array import array
from statistics import fmean, median_low
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.monitor.gauges import Gauge
    from keepline.monitor.sample import Series

HOUR_S: Final = 3_600
DAY: Final = 24
WEEK: Final = 7 * DAY
WEEKS: Final = 4
"""So many of them are remembered: 24 KB for three gauges."""

OLDEST: Final = 6 * WEEK
"""What is older than so many hours says nothing of today."""

LEAST_WEEKS: Final = 2  # that know an hour of the week
LEAST_DAYS: Final = 3  # that know an hour of the day, where no weeks do
LEAST_MINUTES: Final = 30  # of an hour, for it to count
BLOCK: Final = 5  # minutes

_PARTS: Final = 3  # the hour's number, its highest minute, its highest block
_NEVER: Final = -1.0


class Height(NamedTuple):
    """How high a gauge usually goes in an hour: for a minute, and for five."""

    minute: float
    block: float


class _Open:
    """The hour that is not over: its minutes, each once."""

    __slots__ = ("minutes", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.minutes: dict[int, float] = {}

    def height(self) -> Height | None:
        if len(self.minutes) < LEAST_MINUTES:
            return None
        blocks: dict[int, list[float]] = {}
        for minute, value in self.minutes.items():
            blocks.setdefault(minute // BLOCK, []).append(value)
        whole = [fmean(each) for each in blocks.values() if len(each) == BLOCK]
        return Height(max(self.minutes.values()), max(whole)) if whole else None


class Seasons:
    """Of some gauges, each with the same room. `has_news` once an hour was added, until `kept`."""

    __slots__ = ("_gauges", "_open", "_table", "_usual", "has_news")

    def __init__(self, gauges: Sequence[Gauge]) -> None:
        self.has_news = False
        self._gauges = {gauge: place for place, gauge in enumerate(gauges)}
        self._open: dict[Gauge, _Open] = {}
        self._usual: dict[Gauge, tuple[int, Height | None]] = {}
        self._table = array("f", [_NEVER]) * (len(gauges) * WEEK * WEEKS * _PARTS)

    def add(self, gauge: Gauge, minutes: Series) -> None:
        """Learn from minutes, by wall clock; one that is known already changes nothing.

        A clock that was set back takes back what came after it.
        """
        for time, value in zip(minutes.times, minutes.values, strict=True):
            number = int(time // HOUR_S)
            hour = self._open.get(gauge)
            if hour is None or hour.number != number:
                if hour is not None and number > hour.number:
                    self._close(gauge, hour)
                elif hour is not None:
                    self._forget_from(number)
                hour = self._open[gauge] = _Open(number)
            hour.minutes[int(time // 60)] = value

    def usual(self, gauge: Gauge, wall: float) -> Height | None:
        """Return how high it usually goes about that time; None while that is not known."""
        number = int(wall // HOUR_S)
        known = self._usual.get(gauge)
        if known is None or known[0] != number:
            known = self._usual[gauge] = number, self._about(gauge, number)
        return known[1]

    def kept(self) -> bytes:
        """Return what a next life has to know."""
        self.has_news = False
        return self._table.tobytes()

    def take_up(self, kept: bytes) -> bool:
        """Go on with what was kept; False when it is of another make, and nothing was taken."""
        if len(kept) != len(self._table) * self._table.itemsize:
            return False
        self._table = array("f", kept)
        self._usual.clear()
        return True

    # -- the table -------------------------------------------------------------------------

    def _close(self, gauge: Gauge, hour: _Open) -> None:
        height = hour.height()
        at = self._at(gauge, hour.number)
        if height is None or self._table[at] == hour.number:
            return  # too little is known of it, or it is known: we were started anew in it
        self._table[at : at + _PARTS] = array("f", [hour.number, *height])
        self._usual.pop(gauge, None)
        self.has_news = True

    def _forget_from(self, number: int) -> None:
        for at in range(0, len(self._table), _PARTS):
            if self._table[at] >= number:
                self._table[at] = _NEVER
        self._open.clear()
        self._usual.clear()

    def _at(self, gauge: Gauge, number: int) -> int:
        hour, week = number % WEEK, number // WEEK % WEEKS
        return ((self._gauges[gauge] * WEEK + hour) * WEEKS + week) * _PARTS

    def _about(self, gauge: Gauge, number: int) -> Height | None:
        """Return the highest that is usual in this hour, the one before and the one after."""
        if self._of(gauge, number, number) is None:
            return None
        found = [self._of(gauge, number + by, number) for by in (-1, 0, 1)]
        known = [each for each in found if each is not None]
        return Height(max(each.minute for each in known), max(each.block for each in known))

    def _of(self, gauge: Gauge, number: int, now: int) -> Height | None:
        weeks = self._known(gauge, range(number - WEEK, number - OLDEST - 1, -WEEK), now)
        if len(weeks) >= LEAST_WEEKS:
            return _lower_middle(weeks)
        days = self._known(gauge, range(number - DAY, number - 2 * WEEK - 1, -DAY), now)
        return _lower_middle(days) if len(days) >= LEAST_DAYS else None

    def _known(self, gauge: Gauge, numbers: Sequence[int], now: int) -> list[Height]:
        found = []
        for number in numbers:
            at = self._at(gauge, number)
            if self._table[at] == number < now:
                found.append(Height(self._table[at + 1], self._table[at + 2]))
        return found


def _lower_middle(heights: Sequence[Height]) -> Height:
    """Return the median, of two the lower: what went wrong once is not usual."""
    return Height(
        median_low([each.minute for each in heights]), median_low([each.block for each in heights])
    )
