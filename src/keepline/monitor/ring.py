"""One array of numbers that never grows beyond its capacity, a row for each step of time.

A row without a sample is NaN, so a gap stays a gap.
"""

from __future__ import annotations

from array import array
from math import isnan, nan
from typing import TYPE_CHECKING, Final

from keepline.monitor.gauges import GAUGES, POSITION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from keepline.hub.port import Row
    from keepline.monitor.gauges import Gauge

WIDTH: Final = len(GAUGES)
PARTS: Final = 3  # of each gauge the least, the mean and the most, where a row is of many samples
_GAP: Final = array("f", [nan])


class Ring:
    """Rows of `parts` numbers for each gauge, the newest `capacity` of them, a step apart."""

    __slots__ = ("_rows", "capacity", "newest", "parts", "step_s")

    def __init__(self, step_s: float, capacity: int, parts: int) -> None:
        self.step_s = step_s
        self.capacity = capacity
        self.parts = parts
        self.newest = -1  # the number of the newest row, which is its time in steps
        self._rows = array("f")

    def __len__(self) -> int:
        return len(self._rows) // self._length

    @property
    def oldest(self) -> int:
        """The number of the oldest row; beyond `newest` when there is none."""
        return self.newest - len(self) + 1

    @property
    def size_bytes(self) -> int:
        """What the rows take now."""
        return len(self._rows) * self._rows.itemsize

    @property
    def _length(self) -> int:
        return WIDTH * self.parts

    def put(self, number: int, row: Sequence[float]) -> None:
        """Enter the row of a step. A clock that was set back takes back what came after it."""
        if number > self.newest + self.capacity or number < self.oldest:
            del self._rows[:]
        elif number <= self.newest:
            del self._rows[(number - self.oldest) * self._length :]
        elif self._rows:
            self._rows.extend(_GAP * ((number - self.newest - 1) * self._length))
        self.newest = number
        self._rows.extend(row)
        surplus = len(self) - self.capacity
        if surplus > 0:  # the rest moves to the front: 0.1 ms for a day of minutes, each minute
            del self._rows[: surplus * self._length]

    def load(self, rows: Iterable[Row]) -> None:
        """Enter rows that the hub has kept, in order; a version with fewer gauges wrote less."""
        for row in rows:
            found = array("f", row.data)[: self._length]
            found.extend(_GAP * (self._length - len(found)))
            self.put(row.number, found)

    def row(self, number: int) -> array[float]:
        """Return a row that is here."""
        at = (number - self.oldest) * self._length
        return self._rows[at : at + self._length]

    def columns(self, gauge: Gauge, first: int, last: int) -> tuple[int, list[array[float]]]:
        """Return the parts of one gauge from row `first` to row `last`, as far as they are here.

        Before them goes the number of the first row that is returned.
        """
        first, last = max(first, self.oldest), min(last, self.newest)
        begin = (first - self.oldest) * self._length
        end = max(begin, (last - self.oldest + 1) * self._length)
        at = begin + POSITION[gauge] * self.parts
        return first, [self._rows[at + part : end : self._length] for part in range(self.parts)]


class Bucket:
    """What has come so far for a row of many; `number` is that of the row."""

    __slots__ = ("_counts", "_least", "_most", "_sums", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._counts = [0] * WIDTH
        self._sums = [0.0] * WIDTH
        self._least = [nan] * WIDTH
        self._most = [nan] * WIDTH

    def add(self, row: Sequence[float]) -> None:
        """Count a row in: of one sample, or of many."""
        parts = len(row) // WIDTH
        for position in range(WIDTH):
            at = position * parts
            least, mean, most = row[at], row[at + parts // 2], row[at + parts - 1]
            if isnan(mean):
                continue
            if not self._counts[position] or least < self._least[position]:
                self._least[position] = least
            if not self._counts[position] or most > self._most[position]:
                self._most[position] = most
            self._counts[position] += 1
            self._sums[position] += mean

    def row(self) -> list[float]:
        """Return the row: of each gauge the least, the mean, and the most."""
        found: list[float] = []
        for position, count in enumerate(self._counts):
            mean = self._sums[position] / count if count else nan
            found += (self._least[position], mean, self._most[position])
        return found
