"""What a series usually is, and how far from that a value lies: robust z-scores. Pure.

By the median, and by the median of the distances from it: what is odd does not stretch the
measure by which it is found odd.
"""

from __future__ import annotations

from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.monitor.gauges import Gauge

LEAST_POINTS: Final = 20
LEAST_S: Final = 0.005  # a time that strays by less is nobody's concern, however steady it was
LEAST_EVENTS: Final = 4  # the fewest by whose number the spread of a rate is judged

_SIGMA: Final = 1.4826  # standard deviation over median absolute deviation, of a normal series


class Usual(NamedTuple):
    """What a series usually is, and by how much it usually strays (a standard deviation)."""

    centre: float
    spread: float

    def z(self, value: float) -> float:
        """Return how far above usual a value is."""
        return (value - self.centre) / self.spread

    def up_to(self, gauge: Gauge, height: float, interval_s: float, least_share: float) -> Usual:
        """Return what is usual where a gauge may go up to a height beside, strayed as here or more.

        Its spread counts as `least_share` of the height at least.
        """
        if height <= self.centre:
            return self
        least = max(least_share * height, _least_spread(gauge, height, interval_s))
        return Usual(height, max(self.spread, least))


def usual(
    gauge: Gauge, before: Sequence[float], interval_s: float, least_share: float
) -> Usual | None:
    """Return what a gauge was usually, sampled every `interval_s`; None for too few points.

    Its spread counts as `least_share` of its centre at least.
    """
    if len(before) < LEAST_POINTS:
        return None
    centre = median(before)
    strayed = _SIGMA * median([abs(value - centre) for value in before])
    least = max(least_share * abs(centre), _least_spread(gauge, centre, interval_s))
    return Usual(centre, max(strayed, least))


def _least_spread(gauge: Gauge, centre: float, interval_s: float) -> float:
    """A rate is of independent events, whose number strays by its root (Poisson)."""
    if gauge.endswith("_per_s"):
        return sqrt(max(LEAST_EVENTS, centre * interval_s)) / interval_s
    return LEAST_S
