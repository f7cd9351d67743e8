"""PURE: durations summed up in bounded memory, with quantiles that are right to about 1 %."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import Final

PER_OCTAVE: Final = 32  # neighbours differ by 2.2 %
_LEAST_S: Final = 1e-6  # what is shorter counts as this
_MOST_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Quantiles:
    """What a histogram says; seconds, None while it has counted nothing."""

    count: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    max_s: float | None


class Histogram:
    """Counts durations in buckets, each 2.2 % wider than the one before: at most 1,200 of them."""

    __slots__ = ("_buckets", "_max_s", "_min_s", "count")

    def __init__(self) -> None:
        self.count = 0
        self._buckets: dict[int, int] = {}
        self._min_s = _MOST_S
        self._max_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one; below a microsecond and beyond a day it is that."""
        duration_s = min(max(duration_s, _LEAST_S), _MOST_S)
        bucket = int(log2(duration_s / _LEAST_S) * PER_OCTAVE)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self._min_s = min(self._min_s, duration_s)
        self._max_s = max(self._max_s, duration_s)

    def quantile(self, share: float) -> float | None:
        """Return what `share` of all are not above (nearest rank); None while it is empty."""
        rank = max(1, ceil(share * self.count))
        for bucket in sorted(self._buckets):
            rank -= self._buckets[bucket]
            if rank <= 0:
                middle = _LEAST_S * 2 ** ((bucket + 0.5) / PER_OCTAVE)
                return min(max(middle, self._min_s), self._max_s)
        return None

    def quantiles(self) -> Quantiles:
        """Return the usual ones."""
        most = self._max_s if self.count else None
        p50, p95, p99 = (self.quantile(share) for share in (0.5, 0.95, 0.99))
        return Quantiles(self.count, p50, p95, p99, most)
