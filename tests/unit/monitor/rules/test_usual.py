"""What is usual, and how far from it a value lies."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation  # type: ignore[import-untyped]

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.usual import LEAST_POINTS, LEAST_S, Usual, usual

RTT, RATE = Gauge.RTT_P50_S, Gauge.DISCONNECTS_PER_S


@given(st.lists(st.floats(0, 10), min_size=LEAST_POINTS, max_size=60))
def test_the_spread_is_scipy_s_but_for_its_floor(values: list[float]) -> None:
    found = usual(RTT, values, 5.0, 0.0)
    assert found is not None
    expected = 1.4826 * median_abs_deviation(values)
    assert found.spread == pytest.approx(max(expected, LEAST_S))


@pytest.mark.parametrize(
    ("gauge", "values", "share", "expected"),
    [
        (RTT, [0.04] * 30, 0.0, Usual(0.04, LEAST_S)),
        (RTT, [2.0] * 30, 0.01, Usual(2.0, 0.02)),
        (RATE, [0.0] * 30, 0.0, Usual(0.0, 2 / 5)),
        (RATE, [20.0] * 30, 0.0, Usual(20.0, 10 / 5)),
        (RTT, [0.04] * (LEAST_POINTS - 1), 0.0, None),
        (RTT, [], 0.0, None),
    ],
    ids=["least time", "least share", "no events", "Poisson", "too few", "none"],
)
def test_nothing_strays_by_less_than_its_least(
    gauge: Gauge, values: list[float], share: float, expected: Usual | None
) -> None:
    found = usual(gauge, values, 5.0, share)
    assert (found is None) is (expected is None)
    if found and expected:
        assert found == pytest.approx(expected)


def test_a_rate_over_a_longer_time_strays_less() -> None:
    short, long = usual(RATE, [20.0] * 30, 5.0, 0.0), usual(RATE, [20.0] * 30, 60.0, 0.0)
    assert short is not None
    assert long is not None
    assert short.spread / long.spread == pytest.approx(sqrt(12))


def test_a_few_odd_values_do_not_move_what_is_usual() -> None:
    odd = usual(RTT, [0.04, 0.05, 0.06] * 10 + [90.0] * 3, 5.0, 0.0)
    assert odd is not None
    assert odd.centre == pytest.approx(0.05)
    assert odd.z(0.05) == 0.0
    assert odd.z(90.0) > 1_000
