"""Whether a series grows so that it goes on growing, and when it will reach its limit. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.rules.trend import finite_points, trend

if TYPE_CHECKING:
    from keepline.monitor.sample import Series

SIGNIFICANT_Z: Final = 2.58  # 1 % of flat series, both ways
LEAST_SHARE: Final = 0.2  # of the whole growth, that came from the first third to the second
LEAST_LATELY: Final = 0.35  # and from the second to the last: what slows down will not go on
REACH: Final = 6  # how many times its own length a series is drawn out, at most
_LATEST: Final = 5  # points whose median is where a series stands now


class Growth(NamedTuple):
    """How fast a series grows, in its unit per second, where it is, and over how long it was seen.

    A series that does not grow, or whose growth is not sure, has slope 0.
    """

    slope: float
    latest: float
    span_s: float

    def exhausted_in_s(self, limit: float) -> float | None:
        """Return when `limit` will be reached; None for never, or beyond what can be said."""
        if self.slope <= 0:
            return None
        left_s = max(0.0, limit - self.latest) / self.slope
        return left_s if left_s <= REACH * self.span_s else None


def growth(series: Series) -> Growth | None:
    """Return how a series grows. None for too few points."""
    found = trend(series.times, series.values)
    if found is None:
        return None
    points = finite_points(series.times, series.values)
    numbers = [value for _, value in points]
    sure = found.z > SIGNIFICANT_Z and _steady(numbers)
    return Growth(
        found.slope if sure and found.slope > 0 else 0.0,
        median(numbers[-_LATEST:]),
        points[-1][0] - points[0][0],
    )


def _steady(values: list[float]) -> bool:
    """Say whether it grew in the second third and in the last: a step grows in one of them only.

    An odd number in each third, so that no median stands in the middle of a step.
    """
    third = (len(values) // 3 - 1) | 1
    middle = (len(values) - third) // 2
    first = median(values[:third])
    second = median(values[middle : middle + third])
    last = median(values[-third:])
    grown = last - first
    return second - first >= LEAST_SHARE * grown and last - second >= LEAST_LATELY * grown
