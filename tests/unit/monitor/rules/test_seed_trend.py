"""Growth by so much within ten samples."""

from __future__ import annotations

import pytest

from keepline.monitor.findings import Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.seed_trend import seed_trend
from keepline.monitor.sample import Series

MB = 1_048_576


@pytest.mark.parametrize(
    ("gauge", "step", "count", "found"),
    [
        (Gauge.MEMORY_BYTES, 5.1 * MB, 10, True),
        (Gauge.MEMORY_BYTES, 4.9 * MB, 10, False),
        (Gauge.MEMORY_BYTES, 5.1 * MB, 9, False),
        (Gauge.CONNECTIONS, 1.1, 60, True),
        (Gauge.CONNECTIONS, 0.9, 60, False),
        (Gauge.CONNECTIONS, -5.0, 60, False),
    ],
)
def test_growth_in_a_period_is_compared(
    gauge: Gauge, step: float, count: int, *, found: bool
) -> None:
    series = Series([30.0 * at for at in range(count)], [step * at for at in range(count)])
    assert (seed_trend(gauge, series) is not None) is found


def test_a_finding_has_the_slope_of_a_second_and_no_end() -> None:
    series = Series([30.0 * at for at in range(10)], [60.0 * at for at in range(10)])
    found = seed_trend(Gauge.CONNECTIONS, series)
    assert found is not None
    assert found.value == pytest.approx(2.0)
    assert (found.limit, found.exhausted_in_s, found.severity) == (10, None, Severity.MEDIUM)
    assert found.detail == "connections: 600 more in 10 samples, the limit is 10"
