"""One look at a node: a number for each gauge, and who ended what since the look before."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING, NamedTuple

from keepline.monitor.gauges import GAUGES, POSITION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.monitor.gauges import Gauge
    from keepline.reasons import CloseReason


class Sample(NamedTuple):
    """`at` is wall time; `values` stand in the order of the gauges, NaN for what has no value.

    `endings` are the connections and requests that have ended since the sample before, by reason.
    """

    at: float
    values: tuple[float, ...]
    endings: Mapping[CloseReason, int]

    def value(self, gauge: Gauge) -> float | None:
        """Return the number of one gauge, None where there is none."""
        found = self.values[POSITION[gauge]]
        return None if isnan(found) else found


class Series(NamedTuple):
    """What one gauge was: wall times, ascending, and its value at each; gaps are left out."""

    times: list[float]
    values: list[float]


def in_order(found: Mapping[Gauge, float | None]) -> tuple[float, ...]:
    """Return numbers by gauge as the values of a sample."""
    return tuple(nan if (value := found.get(gauge)) is None else value for gauge in GAUGES)
