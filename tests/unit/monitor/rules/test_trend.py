"""Slope and significance, against SciPy and pymannkendall."""

from __future__ import annotations

import random
from math import isfinite, nan, sqrt

import pymannkendall  # type: ignore[import-untyped]
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import theilslopes  # type: ignore[import-untyped]

from keepline.monitor.rules import trend as module
from keepline.monitor.rules.trend import LEAST_POINTS, MOST_POINTS, finite_points, middle, trend

numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
series = st.lists(numbers, min_size=LEAST_POINTS, max_size=40)
tied = st.lists(st.integers(0, 4).map(float), min_size=LEAST_POINTS, max_size=40)


def seconds(count: int, step_s: float = 5.0) -> list[float]:
    return [step_s * number for number in range(count)]


@given(st.one_of(series, tied))
def test_the_slope_is_scipy_s(values: list[float]) -> None:
    times = seconds(len(values))
    found = trend(times, values)
    assert found is not None
    assert found.slope == pytest.approx(theilslopes(values, times).slope, rel=1e-9, abs=1e-9)


@given(st.one_of(series, tied))
def test_without_autocorrelation_the_test_is_pymannkendall_s(values: list[float]) -> None:
    assume(len(set(values)) > 1)
    expected = pymannkendall.original_test(values)
    assume(expected.s != 0)
    found = trend(seconds(len(values)), values)
    slope = theilslopes(values).slope
    correction = module._correction([value - slope * at for at, value in enumerate(values)])
    assert found is not None
    assert found.z * sqrt(correction) == pytest.approx(expected.z, rel=1e-6)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_the_correction_is_hamed_s_and_rao_s_over_the_lags_that_are_used(
    kept: float, seed: int
) -> None:
    chance = random.Random(seed)
    values = [0.0]
    for _ in range(59):
        values.append(kept * values[-1] + chance.gauss(0, 1) + 0.01)
    found = trend(seconds(60), values)
    assert found is not None
    by_lags = [pymannkendall.hamed_rao_modification_test(values, lag=lag).z for lag in range(15)]
    assert any(found.z == pytest.approx(z, rel=1e-9) for z in by_lags)


def test_autocorrelation_makes_a_trend_less_sure_and_never_surer() -> None:
    chance = random.Random(1)
    for _ in range(100):
        values = [chance.gauss(0, 1) for _ in range(30)]
        found = trend(seconds(30), values)
        plain = pymannkendall.original_test(values)
        assert found is not None
        assert abs(found.z) <= abs(plain.z) + 1e-9


@given(tied, st.lists(st.integers(0, 39), max_size=10))
def test_gaps_are_left_out_with_their_times(values: list[float], gaps: list[int]) -> None:
    times = seconds(len(values))
    holed = [nan if index in gaps else value for index, value in enumerate(values)]
    kept = [(time, value) for time, value in zip(times, holed, strict=True) if isfinite(value)]
    assert trend(times, holed) == trend([time for time, _ in kept], [value for _, value in kept])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([1.0] * (LEAST_POINTS - 1), None),
        ([nan] * 60, None),
        ([7.0] * 60, (0.0, 0.0)),
    ],
    ids=["empty", "too short", "gaps only", "constant"],
)
def test_a_series_that_tells_nothing(
    values: list[float], expected: tuple[float, float] | None
) -> None:
    found = trend(seconds(len(values)), values)
    assert found == expected


def test_a_straight_line_is_found_per_second() -> None:
    found = trend(seconds(60), [10.0 - 2.0 * time for time in seconds(60)])
    assert found is not None
    assert found.slope == pytest.approx(-2.0)
    assert found.z < -5


def test_a_long_series_costs_no_more_than_a_bounded_one() -> None:
    count = 3 * MOST_POINTS + 1
    found = trend(seconds(count), seconds(count))
    assert found is not None
    assert found.slope == pytest.approx(1.0)


def test_a_time_that_does_not_advance_is_left_out() -> None:
    assert finite_points([1.0, 1.0, 0.5, 2.0], [1.0, 2.0, 3.0, 4.0]) == [(1.0, 1.0), (2.0, 4.0)]


@given(st.lists(st.integers(), min_size=1))
def test_the_middle_of_what_is_sorted(values: list[int]) -> None:
    ordered = sorted(values)
    half = len(ordered) // 2
    expected = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    assert middle(ordered) == expected
