"""Is it growing, and how fast: Theil-Sen's slope and Mann-Kendall's test of it. Pure.

The test is corrected for autocorrelation after Hamed and Rao (1998): samples of a machine
resemble the ones before, and the plain test takes that for a trend.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from math import isfinite, sqrt
from operator import mul
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_POINTS: Final = 10  # below, a correction of the variance is guesswork
MOST_POINTS: Final = 200  # above, every second, third, ... point: the cost grows with the square
_SIGNIFICANT: Final = 1.959964  # autocorrelation of 5 %, times the root of the points


class Trend(NamedTuple):
    """A slope in units per second, and how sure its sign is, in standard deviations."""

    slope: float
    z: float


def trend(times: Sequence[float], values: Sequence[float]) -> Trend | None:
    """Return the trend of a series, oldest first; NaN is a gap. None for too few points."""
    points = finite_points(times, values)
    if len(points) < LEAST_POINTS:
        return None
    points = points[:: -(-len(points) // MOST_POINTS)]
    slopes = sorted(
        (value - value_before) / (time - time_before)
        for index, (time_before, value_before) in enumerate(points)
        for time, value in points[index + 1 :]
    )
    slope = middle(slopes)
    score = len(slopes) - bisect_right(slopes, 0.0) - bisect_left(slopes, 0.0)
    variance = _variance([value for _, value in points])
    variance *= _correction([value - slope * (time - points[0][0]) for time, value in points])
    if not score or not variance:
        return Trend(slope, 0.0)
    return Trend(slope, (score - 1 if score > 0 else score + 1) / sqrt(variance))


def finite_points(times: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """Return what has a value, and a time later than all before."""
    points: list[tuple[float, float]] = []
    latest = float("-inf")
    for time, value in zip(times, values, strict=True):
        if isfinite(value) and time > latest:
            points.append((time, value))
            latest = time
    return points


def middle(ordered: Sequence[float]) -> float:
    """Return the median of what is sorted already, and not empty."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _variance(values: list[float]) -> float:
    """Return the variance of Kendall's score without any trend; equal values lower it."""

    def part(count: int) -> int:
        return count * (count - 1) * (2 * count + 5)

    ties = sum(part(count) for count in Counter(values).values() if count > 1)
    return (part(len(values)) - ties) / 18


def _correction(detrended: list[float]) -> float:
    """Return what autocorrelation does to the variance, at least 1.

    Summed over the first lags, as long as they are significant: those far off are noise, mostly
    negative, and would take back half of the correction.
    """
    ranks = _ranks(detrended)
    count = len(ranks)
    mean = (count + 1) / 2
    ranks = [rank - mean for rank in ranks]
    power = sum(map(mul, ranks, ranks))
    bound = _SIGNIFICANT / sqrt(count)
    total = 0.0
    for lag in range(1, count - 2):
        covariance = sum(map(mul, ranks, ranks[lag:]))
        if covariance <= bound * power:
            break
        left = count - lag
        total += left * (left - 1) * (left - 2) * covariance / power
    return 1 + 2 * total / (count * (count - 1) * (count - 2))


def _ranks(values: list[float]) -> list[float]:
    """Return the rank of each value, from 1; equal ones share the mean of theirs."""
    ordered = sorted(values)
    return [(bisect_left(ordered, each) + 1 + bisect_right(ordered, each)) / 2 for each in values]
