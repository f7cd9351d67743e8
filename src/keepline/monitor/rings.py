"""What the gauges were: an hour of samples, a day of minutes, two weeks of quarter hours."""

from __future__ import annotations

from math import ceil, isnan
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.hub.port import Row
from keepline.monitor.ring import PARTS, Bucket, Ring
from keepline.monitor.sample import Series

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable

    from keepline.monitor.gauges import Gauge
    from keepline.monitor.sample import Sample

HOUR_S: Final = 3_600.0
MINUTE_S: Final = 60.0
QUARTER_S: Final = 900.0
MINUTES: Final = 1_440  # a day
QUARTERS: Final = 1_344  # two weeks


class Span(NamedTuple):
    """A stretch of one gauge: numbers for each step from `start` on, NaN where there is a gap."""

    start: float
    step_s: float
    least: list[float]
    mean: list[float]
    most: list[float]


class _Coarse:
    """A ring whose rows are each made of many, and the row that is not finished yet."""

    def __init__(self, step_s: float, capacity: int) -> None:
        self.ring = Ring(step_s, capacity, PARTS)
        self.bucket: Bucket | None = None

    def go_to(self, at: float) -> Row | None:
        """Have the row of that time open; return the one that is finished by it, if one is."""
        number = int(at // self.ring.step_s)
        if self.bucket is not None and self.bucket.number == number:
            return None
        finished = self.finish()
        self.bucket = Bucket(number)
        return finished

    def finish(self) -> Row | None:
        """Finish the open row, if there is one."""
        if self.bucket is None:
            return None
        number = self.bucket.number
        self.ring.put(number, self.bucket.row())
        self.bucket = None
        return _row(self.ring, number)

    def reopen(self, finer: Ring, unfinished: Bucket | None = None) -> None:
        """Make the row that was open anew, of the finer ring's rows that are finished."""
        numbers = range(finer.oldest, finer.newest + 1)
        if not numbers:
            return
        self.bucket = Bucket(int(finer.newest * finer.step_s // self.ring.step_s))
        for number in numbers:
            if int(number * finer.step_s // self.ring.step_s) != self.bucket.number:
                continue
            if unfinished is None or number != unfinished.number:
                self.bucket.add(finer.row(number))


class Rings:
    """All that is remembered of the gauges, 1.6 MB at most; `interval_s` is between samples."""

    def __init__(self, interval_s: float) -> None:
        self.samples = Ring(interval_s, ceil(HOUR_S / interval_s), 1)
        self._minutes = _Coarse(MINUTE_S, MINUTES)
        self._quarters = _Coarse(QUARTER_S, QUARTERS)

    @property
    def minutes(self) -> Ring:
        return self._minutes.ring

    @property
    def quarters(self) -> Ring:
        return self._quarters.ring

    @property
    def all(self) -> tuple[Ring, Ring, Ring]:
        """The finest first."""
        return self.samples, self.minutes, self.quarters

    @property
    def size_bytes(self) -> int:
        """What all of it takes now."""
        return sum(ring.size_bytes for ring in self.all)

    def add(self, sample: Sample) -> list[Row]:
        """Enter a sample; return the rows that are finished by it."""
        ring = self.samples
        number = round(sample.at / ring.step_s)
        finished = self._cascade(self._minutes.go_to(number * ring.step_s))
        ring.put(number, sample.values)
        assert self._minutes.bucket is not None, "opened two lines above"
        self._minutes.bucket.add(sample.values)
        return [*finished, _row(ring, number)]

    def close(self) -> list[Row]:
        """Finish what is open, and return its rows."""
        finished = self._cascade(self._minutes.finish())
        last = self._quarters.finish()
        return finished if last is None else [*finished, last]

    def _cascade(self, minute: Row | None) -> list[Row]:
        """Count a minute that is finished into its quarter."""
        if minute is None:
            return []
        quarter = self._quarters.go_to(minute.number * MINUTE_S)
        assert self._quarters.bucket is not None, "opened a line above"
        self._quarters.bucket.add(self.minutes.row(minute.number))
        return [minute] if quarter is None else [quarter, minute]

    def load(self, rows: Iterable[Row], wall: float) -> None:
        """Take up what a former life has left; nothing of another interval, nor of a future.

        What was open when it ended is made anew from the finer rows.
        """
        past = [row for row in rows if row.number * row.step_s <= wall]
        for ring in self.all:
            ring.load(row for row in past if row.step_s == ring.step_s)
        self._minutes.reopen(self.samples)
        self._quarters.reopen(self.minutes, self._minutes.bucket)

    @property
    def kept(self) -> dict[float, tuple[int, int]]:
        """The first and the last number that is worth keeping, by step.

        They go by the time of the newest sample: a coarser ring may be empty because the hub could
        not be read, and what it has there is worth as much. What is a little ahead may be of
        another process on the same file.
        """
        newest_s = self.samples.newest * self.samples.step_s
        return {
            ring.step_s: (number - ring.capacity + 1, number + ring.capacity)
            for ring in self.all
            for number in [int(newest_s // ring.step_s)]
        }

    # -- looking back ----------------------------------------------------------------------

    def series(self, gauge: Gauge, for_s: float, ring: Ring | None = None) -> Series:
        """Return what a gauge was in the last `for_s`: samples, or means of a coarser ring."""
        ring = ring or self.samples
        first = ring.newest - round(for_s / ring.step_s) + 1
        first, parts = ring.columns(gauge, first, ring.newest)
        there = [
            (n, value) for n, value in enumerate(parts[len(parts) // 2], first) if not isnan(value)
        ]
        return Series([n * ring.step_s for n, _ in there], [value for _, value in there])

    def span(self, gauge: Gauge, start: float, until: float, points: int) -> Span:
        """Return a gauge from `start` to `until` in at most `points` steps, which are two or more.

        It is the finest ring's that reaches back so far, or as far as anything does.
        """
        ring = self._reaching_back_to(start)
        start = max(start, ring.oldest * ring.step_s)
        step = max(1, ceil((until - start) / ring.step_s / (points - 1)))
        first = int(start // ring.step_s) // step * step
        at, parts = ring.columns(gauge, first, int(until // ring.step_s))
        return _grouped(parts, at, ring.step_s, step)

    def _reaching_back_to(self, start: float) -> Ring:
        """Return the finest ring that knows as much as the others of the time from `start` on.

        A row may begin before the first finer one that is in it; that is no more to know.
        """
        chosen = self.quarters
        for finer in (self.minutes, self.samples):
            known_from = (chosen.oldest + 1) * chosen.step_s
            reaches = finer.oldest * finer.step_s <= max(start, known_from)
            if len(finer) and (reaches or not len(chosen)):
                chosen = finer
        return chosen


def _grouped(parts: list[array[float]], first: int, step_s: float, group: int) -> Span:
    """Return rows from number `first` on in groups that begin at multiples of `group`."""
    least, mean, most = parts[0], parts[len(parts) // 2], parts[-1]
    span = Span(first // group * group * step_s, group * step_s, [], [], [])
    begin = 0
    while begin < len(mean):
        end = (first + begin) // group * group + group - first
        there = [value for value in mean[begin:end] if not isnan(value)]
        span.mean.append(sum(there) / len(there) if there else float("nan"))
        span.least.append(min((v for v in least[begin:end] if not isnan(v)), default=float("nan")))
        span.most.append(max((v for v in most[begin:end] if not isnan(v)), default=float("nan")))
        begin = end
    return span


def _row(ring: Ring, number: int) -> Row:
    return Row(ring.step_s, number, ring.row(number).tobytes())
