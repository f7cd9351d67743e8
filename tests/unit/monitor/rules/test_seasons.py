"""What is usual at an hour of the week, of the day, or not known yet."""

from __future__ import annotations

import pytest

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.seasons import (
    DAY,
    HOUR_S,
    LEAST_MINUTES,
    OLDEST,
    WEEK,
    WEEKS,
    Height,
    Seasons,
)
from keepline.monitor.sample import Series

RTT, LEFT = Gauge.RTT_P50_S, Gauge.DISCONNECTS_PER_S
MONDAY = 20_000 * DAY + 4 * DAY - 20_000 * DAY % WEEK  # an hour's number: 0 o'clock
EIGHT = MONDAY + 8


def minutes(number: int, *values: float) -> Series:
    """Return an hour's minutes; the last value is that of all that follow."""
    all_of_them = [*values, *[values[-1]] * (60 - len(values))]
    return Series([number * HOUR_S + 60.0 * at + 30 for at in range(60)], all_of_them)


def lived(heights: dict[int, float], until: int, usual: float = 2.0) -> Seasons:
    """Live from the first hour of `heights` to `until`; the other hours are as usual."""
    seasons = Seasons((RTT, LEFT))
    for number in range(min(heights), until + 1):
        seasons.add(LEFT, minutes(number, heights.get(number, usual)))
    return seasons


def at(seasons: Seasons, number: int, gauge: Gauge = LEFT) -> Height | None:
    return seasons.usual(gauge, number * HOUR_S + 1_800.0)


def test_what_two_mondays_had_is_usual_on_the_third() -> None:
    seasons = lived({EIGHT: 8.0, EIGHT + WEEK: 9.0}, EIGHT + 2 * WEEK - 1)
    assert at(seasons, EIGHT + 2 * WEEK) == Height(8.0, 8.0)
    assert at(seasons, EIGHT + 2 * WEEK, RTT) is None


@pytest.mark.parametrize(("by", "height"), [(-2, 2.0), (-1, 8.0), (0, 8.0), (1, 8.0), (2, 2.0)])
def test_an_hour_before_and_after_are_as_usual_for_those_with_summer_time(
    by: int, height: float
) -> None:
    seasons = lived({EIGHT: 8.0, EIGHT + WEEK: 8.0}, EIGHT + 2 * WEEK + by - 1)
    assert at(seasons, EIGHT + 2 * WEEK + by) == Height(height, height)


def test_what_went_wrong_once_is_not_usual() -> None:
    wrong_last = lived({EIGHT: 2.0, EIGHT + WEEK: 50.0}, EIGHT + 2 * WEEK - 1)
    assert at(wrong_last, EIGHT + 2 * WEEK) == Height(2.0, 2.0)
    usual = {EIGHT + week * WEEK: 8.0 for week in range(3)}
    assert at(lived(usual | {EIGHT: 50.0}, EIGHT + 3 * WEEK - 1), EIGHT + 3 * WEEK) == Height(8, 8)


def test_until_two_weeks_are_known_an_hour_is_as_on_other_days() -> None:
    every_day = {EIGHT + day * DAY: 8.0 for day in range(4)}
    assert at(lived(every_day, EIGHT + 2 * DAY - 1), EIGHT + 2 * DAY) is None
    assert at(lived(every_day, EIGHT + 3 * DAY - 1), EIGHT + 3 * DAY) == Height(8.0, 8.0)


def test_what_is_older_than_six_weeks_says_nothing() -> None:
    seasons = lived({EIGHT: 8.0, EIGHT + WEEK: 8.0}, EIGHT + WEEK + 1)
    assert at(seasons, EIGHT + 5 * WEEK) is not None
    assert at(seasons, EIGHT + OLDEST + WEEK) is None


def test_the_latest_four_weeks_are_remembered() -> None:
    heights = {EIGHT + week * WEEK: 8.0 if week < 3 else 20.0 for week in range(WEEKS + 3)}
    seasons = lived(heights, EIGHT + (WEEKS + 3) * WEEK - 1)
    assert at(seasons, EIGHT + (WEEKS + 3) * WEEK) == Height(20.0, 20.0)


def test_a_burst_is_as_high_as_its_minute_and_lower_for_five() -> None:
    seasons = Seasons((LEFT,))
    for week in range(2):
        number = EIGHT + week * WEEK
        seasons.add(LEFT, minutes(number, 12.0, 2.0))
        seasons.add(LEFT, minutes(number + 1, 2.0))
    assert at(seasons, EIGHT + 2 * WEEK) == Height(12.0, 4.0)


def test_an_hour_that_is_half_unknown_counts_for_nothing() -> None:
    seasons = Seasons((LEFT,))
    for week in range(3):
        number = EIGHT + week * WEEK
        half = minutes(number, 8.0)
        seasons.add(LEFT, Series(half.times[: LEAST_MINUTES - 1], half.values[: LEAST_MINUTES - 1]))
        seasons.add(LEFT, minutes(number + 1, 2.0))
    assert at(seasons, EIGHT + 3 * WEEK) is None
    assert at(seasons, EIGHT + 3 * WEEK + 1) == Height(2.0, 2.0)


def test_what_was_learned_is_there_in_the_next_life_and_an_hour_counts_once() -> None:
    seasons = lived({EIGHT: 8.0, EIGHT + WEEK: 9.0}, EIGHT + WEEK + 1)
    assert seasons.has_news
    after = Seasons((RTT, LEFT))
    assert after.take_up(seasons.kept())
    assert not seasons.has_news
    # The rings know the last hour, of which the latter part came from a process just begun.
    after.add(LEFT, minutes(EIGHT + WEEK, 1.0))
    after.add(LEFT, minutes(EIGHT + WEEK + 1, 2.0))
    assert not after.has_news
    assert at(after, EIGHT + 2 * WEEK) == Height(8.0, 8.0)
    assert not after.take_up(b"of another make")


def test_a_clock_that_is_set_back_takes_back_what_came_after() -> None:
    seasons = lived({EIGHT: 8.0, EIGHT + WEEK: 8.0}, EIGHT + WEEK + 2)
    seasons.add(LEFT, minutes(EIGHT + WEEK - 5, 2.0))
    assert at(seasons, EIGHT + 2 * WEEK) == Height(2.0, 2.0)  # as other days, one week knows it
    seasons.add(LEFT, minutes(EIGHT + WEEK, 6.0))
    seasons.add(LEFT, minutes(EIGHT + WEEK + 1, 2.0))
    assert at(seasons, EIGHT + 2 * WEEK) == Height(6.0, 6.0)


def test_a_clock_that_is_set_forward_leaves_a_gap() -> None:
    seasons = lived({EIGHT: 8.0}, EIGHT)
    seasons.add(LEFT, minutes(EIGHT + 20 * WEEK, 2.0))
    assert at(seasons, EIGHT + 20 * WEEK) is None


def test_the_table_is_bounded_and_small() -> None:
    seasons = Seasons((Gauge.RTT_P50_S, LEFT, Gauge.HANDSHAKE_FAILURES_PER_S))
    assert len(seasons.kept()) == 3 * WEEK * WEEKS * 3 * 4 == 24_192
