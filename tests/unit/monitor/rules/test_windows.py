"""Parts of series."""

from __future__ import annotations

from statistics import fmean

from keepline.monitor.rules.windows import by_step, since, with_as_many
from keepline.monitor.sample import Series

SERIES = Series([0.0, 5.0, 10.0, 60.0, 65.0, 120.0], [1.0, 2.0, 9.0, 4.0, 6.0, 7.0])


def test_what_came_since_includes_its_start() -> None:
    assert since(SERIES, 60.0) == Series([60.0, 65.0, 120.0], [4.0, 6.0, 7.0])
    assert since(SERIES, 500.0) == Series([], [])


def test_a_step_has_one_value_and_the_last_is_not_over() -> None:
    assert by_step(SERIES, 60.0) == Series([30.0, 90.0], [2.0, 5.0])
    assert by_step(SERIES, 60.0, fmean) == Series([30.0, 90.0], [4.0, 5.0])
    assert by_step(Series([], []), 60.0) == Series([], [])


def test_a_rate_is_told_for_as_many_connections_as_there_are_now() -> None:
    connections = Series([0.0, 5.0, 60.0, 120.0], [100.0, 0.0, 400.0, 200.0])
    expected = Series([0.0, 5.0, 60.0, 120.0], [2.0, 400.0, 2.0, 7.0])
    assert with_as_many(SERIES, connections) == expected
    assert with_as_many(SERIES, Series([], [])) == Series([], [])
