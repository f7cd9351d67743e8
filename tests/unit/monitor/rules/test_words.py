"""Numbers as people read them."""

from __future__ import annotations

import pytest

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.rulebook import GROWING, LIMITED
from keepline.monitor.rules.watched import WATCHED
from keepline.monitor.rules.words import amount, called, duration


@pytest.mark.parametrize(
    ("gauge", "value", "expected"),
    [
        (Gauge.MEMORY_BYTES, 1_073_741_824, "1,024 MB"),
        (Gauge.CPU_PERCENT, 80.0, "80 %"),
        (Gauge.CONNECTIONS, 15_000, "15,000"),
        (Gauge.DISCONNECTS_PER_S, 0.4, "0.4 a second"),
        (Gauge.RTT_P50_S, 0.0423, "42.3 ms"),
    ],
)
def test_an_amount_has_its_unit(gauge: Gauge, value: float, expected: str) -> None:
    assert amount(gauge, value) == expected


@pytest.mark.parametrize(
    ("value_s", "expected"),
    [(0.0, "0 s"), (59.0, "59 s"), (90.0, "1.5 min"), (21_600.0, "6 h"), (172_800.0, "2 d")],
)
def test_a_time_has_the_largest_unit_that_fits(value_s: float, expected: str) -> None:
    assert duration(value_s) == expected


def test_every_gauge_with_a_rule_has_a_name() -> None:
    assert all(called(gauge) for gauge in (*LIMITED, *GROWING, *WATCHED))
