"""The preset `seed` of trends: growth by so much within ten samples, by a straight line. Pure."""

from __future__ import annotations

from statistics import linear_regression
from typing import TYPE_CHECKING, Final

from keepline.monitor.findings import Finding, Kind, Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.words import amount, called

if TYPE_CHECKING:
    from keepline.monitor.sample import Series

PERIOD: Final = 10  # samples
MOST: Final = {Gauge.MEMORY_BYTES: 50 * 1_048_576, Gauge.CONNECTIONS: 10}


def seed_trend(gauge: Gauge, series: Series) -> Finding | None:
    """Return what the last ten samples show; `limit` is the growth in a period."""
    values = series.values[-PERIOD:]
    if len(values) < PERIOD or series.times[-1] <= series.times[-PERIOD]:
        return None
    most = MOST[gauge]
    grown = PERIOD * linear_regression(range(PERIOD), values).slope
    if grown <= most:
        return None
    slope = grown / PERIOD * (PERIOD - 1) / (series.times[-1] - series.times[-PERIOD])
    detail = (
        f"{called(gauge)}: {amount(gauge, grown)} more in {PERIOD} samples,"
        f" the limit is {amount(gauge, most)}"
    )
    return Finding(gauge, Kind.TREND, Severity.MEDIUM, slope, most, None, detail)
