from __future__ import annotations

import pytest

from keepline.fleet.histogram import Histogram, Quantiles


def of(*durations_s: float) -> Histogram:
    histogram = Histogram()
    for each in durations_s:
        histogram.add(each)
    return histogram


def test_an_empty_one_knows_nothing() -> None:
    assert of().quantiles() == Quantiles(0, None, None, None, None)


def test_one_duration_is_every_quantile_exactly() -> None:
    assert of(0.123).quantiles() == Quantiles(1, 0.123, 0.123, 0.123, 0.123)


def test_quantiles_of_known_durations_are_right_to_about_one_percent() -> None:
    known = of(*(number / 1000 for number in range(1, 1001))).quantiles()
    assert known.count == 1_000
    assert known.p50_s == pytest.approx(0.500, rel=0.012)
    assert known.p95_s == pytest.approx(0.950, rel=0.012)
    assert known.p99_s == pytest.approx(0.990, rel=0.012)
    assert known.max_s == 1.0


def test_a_single_straggler_shows_in_the_maximum_alone() -> None:
    known = of(*[0.01] * 999, 5.0).quantiles()
    assert known.p99_s == pytest.approx(0.01, rel=0.012)
    assert known.max_s == 5.0


def test_the_order_in_which_they_came_does_not_matter() -> None:
    assert of(3, 1, 2).quantiles() == of(1, 2, 3).quantiles()


def test_what_is_too_short_or_too_long_is_counted_at_the_ends() -> None:
    histogram = of(-1.0, 0.0, 1e9)
    assert histogram.count == 3
    assert histogram.quantile(0.5) == pytest.approx(1e-6, rel=0.012)
    assert histogram.quantiles().max_s == 86_400.0


def test_a_million_durations_take_a_bounded_number_of_buckets() -> None:
    histogram = Histogram()
    duration_s = 1e-7
    while duration_s < 1e6:
        histogram.add(duration_s)
        duration_s *= 1.0001
    assert len(histogram._buckets) <= 1_200
