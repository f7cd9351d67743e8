"""Far above usual for a moment, a little above for long."""

from __future__ import annotations

import random

import pytest

from keepline.monitor.findings import Kind, Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.anomalies import (
    MOST_SUM,
    OUTLIER_Z,
    SHIFTED,
    Outliers,
    Shift,
    summed,
)
from keepline.monitor.rules.seasons import Height, Seasons
from keepline.monitor.sample import Series
from keepline.settings.rules import Rules

CHANCE = random.Random(6)
HOUR = Series(
    [5.0 * number for number in range(720)], [0.04 + CHANCE.gauss(0, 0.006) for _ in range(720)]
)


def seen(values: list[float], until: float = 3_600.0) -> Series:
    return Series([until - 5.0 * back for back in range(len(values), 0, -1)], values)


def outliers(series: Series = HOUR, gauge: Gauge = Gauge.RTT_P50_S) -> Outliers:
    found = Outliers(gauge, Rules(hold_s=0))
    found.learn(series)
    return found


@pytest.mark.parametrize(
    ("latest", "expected"),
    [
        ([0.04, 0.04, 0.04], False),
        ([0.04, 0.04, 0.9], False),
        ([0.9, 0.04, 0.9], True),
        ([0.9, 0.9, 0.04], True),
        ([0.9, 0.9, 0.04, 0.04, 0.04], False),
        ([0.001, 0.001, 0.001], False),
        ([0.9, 0.9], True),
        ([], False),
    ],
    ids=["usual", "one", "two of three", "two before", "gone", "below", "short", "no samples"],
)
def test_two_of_three_are_an_anomaly(latest: list[float], *, expected: bool) -> None:
    assert (outliers().look(0.0, seen(latest)) is not None) is expected


def test_an_outlier_is_told_with_what_is_usual() -> None:
    found = outliers().look(0.0, seen([0.9, 0.9, 0.9]))
    assert found is not None
    assert (found.kind, found.severity, found.limit) == (Kind.ANOMALY, Severity.MEDIUM, OUTLIER_Z)
    assert found.value > 100
    assert found.detail.startswith("round trips: 900 ms, usual are ")


def test_what_holds_for_a_moment_is_held_for_the_minimum() -> None:
    rule = Outliers(Gauge.RTT_P50_S, Rules(hold_s=10))
    rule.learn(HOUR)
    latest = [[0.9] * 3, [0.04] * 3, [0.04] * 3]
    found = [rule.look(5.0 * at, seen(each)) is not None for at, each in enumerate(latest)]
    assert found == [True, True, False]


@pytest.mark.parametrize("count", [0, 1, 3, 15])
def test_nothing_is_odd_before_it_is_known_what_is_usual(count: int) -> None:
    short = Series(HOUR.times[:count], HOUR.values[:count])
    assert outliers(short).look(0.0, seen([9.0, 9.0, 9.0])) is None


def test_a_handful_of_events_where_there_were_none_is_no_anomaly() -> None:
    none = Series(HOUR.times, [0.0] * 720)
    few = outliers(none, Gauge.DISCONNECTS_PER_S)
    assert few.look(0.0, seen([1.0, 1.0, 1.0])) is None
    assert few.look(5.0, seen([2.0, 2.0, 2.0])) is not None


@pytest.mark.parametrize(
    ("zs", "expected"),
    [
        ([0.0] * 5, 0.0),
        ([2.0, 2.0], 2.0),
        ([2.0, -9.0, 2.0], 1.0),
        ([100.0], 2.5),
        ([100.0] * 50, MOST_SUM),
    ],
    ids=["usual", "adds up", "starts anew", "one alone is no shift", "has an end"],
)
def test_a_sum_adds_up_what_lasts(zs: list[float], expected: float) -> None:
    total = 0.0
    for z in zs:
        total = summed(total, z)
    assert total == expected


def shifted(*, by_s: float, minutes: int) -> list[bool]:
    """Shift an hour of round trips after half of it, and look at each minute since."""
    values = [value + by_s * (at >= 360) for at, value in enumerate(HOUR.values)]
    rule = Shift(Gauge.RTT_P50_S, Rules(hold_s=0))
    return [
        rule.look(60.0 * minute, Series(HOUR.times[:end], values[:end])) is not None
        for minute, end in enumerate(range(361, 361 + 12 * minutes, 12))
    ]


@pytest.mark.parametrize(
    ("by_s", "found_after"), [(0.0, None), (0.004, None), (0.012, 4), (0.5, 2)]
)
def test_a_shift_is_found_the_sooner_the_larger(by_s: float, found_after: int | None) -> None:
    found = shifted(by_s=by_s, minutes=10)
    assert (found.index(True) if any(found) else None) == pytest.approx(found_after, abs=1)


def test_a_minute_is_added_once_however_often_it_is_looked_at() -> None:
    rule = Shift(Gauge.RTT_P50_S, Rules(hold_s=0))
    values = [value + 0.5 * (at >= 708) for at, value in enumerate(HOUR.values)]
    assert [rule.look(at, Series(HOUR.times, values)) for at in range(20)] == [None] * 20


def test_a_shift_says_that_it_lasts_and_short_series_say_nothing() -> None:
    rule = Shift(Gauge.RTT_P50_S, Rules(hold_s=0))
    values = [value + 0.5 * (at >= 600) for at, value in enumerate(HOUR.values)]
    assert rule.look(0.0, Series([], [])) is None
    assert rule.look(0.0, Series(HOUR.times[:100], values[:100])) is None
    found = rule.look(60.0, Series(HOUR.times, values))
    assert found is not None
    assert found.limit == SHIFTED
    assert found.detail.endswith("and it lasts")


# -- in season -----------------------------------------------------------------------------

LEFT = Gauge.DISCONNECTS_PER_S
STEADY = Series(HOUR.times, [2.0 + (at % 3 - 1) * 0.2 for at in range(720)])


class Weekly(Seasons):
    """Knows what this hour brings every week, and what it is told to learn."""

    def __init__(self, minute: float, block: float) -> None:
        super().__init__((LEFT,))
        self.height = Height(minute, block)
        self.learned: list[float] = []

    def usual(self, gauge: Gauge, wall: float) -> Height | None:
        assert (gauge, wall > 0) == (LEFT, True)
        return self.height

    def add(self, gauge: Gauge, minutes: Series) -> None:
        assert gauge is LEFT
        self.learned += minutes.times


@pytest.mark.parametrize(
    ("latest", "height", "found"),
    [
        (8.0, None, True),
        (8.0, 8.0, False),
        (8.0, 3.0, True),
        (10.0, 8.0, False),
        (30.0, 8.0, True),
        (2.0, 0.5, False),
        (8.0, 0.5, True),
    ],
    ids=[
        *("no season", "every week", "not so high", "a little more", "much more", "as now"),
        "a season that is below now",
    ],
)
def test_what_this_hour_brings_every_week_is_no_outlier_and_what_is_beyond_is_one(
    latest: float, height: float | None, *, found: bool
) -> None:
    rule = Outliers(LEFT, Rules(hold_s=0), None if height is None else Weekly(height, height))
    rule.learn(STEADY)
    finding = rule.look(0.0, seen([latest] * 3))
    assert (finding is not None) is found
    if finding is not None and height == 8.0:
        assert "usual at this hour are 8 a second" in finding.detail


@pytest.mark.parametrize(
    ("risen", "block", "found"), [(8.0, 0.0, True), (8.0, 8.0, False), (16.0, 8.0, True)]
)
def test_what_this_hour_brings_every_week_is_no_shift_and_what_is_beyond_is_one(
    risen: float, block: float, *, found: bool
) -> None:
    values = [value + (risen - 2.0) * (at >= 600) for at, value in enumerate(STEADY.values)]
    rule = Shift(LEFT, Rules(hold_s=0), Weekly(0.0, block))
    looks = [
        rule.look(60.0 * end, Series(STEADY.times[:end], values[:end]))
        for end in range(612, 721, 12)
    ]
    assert any(looks) is found
    if found and block:
        assert "at this hour" in next(each for each in looks if each is not None).detail


def test_each_minute_is_learned_from_once_also_when_the_clock_was_set_back() -> None:
    weekly = Weekly(0.0, 0.0)
    rule = Shift(LEFT, Rules(), weekly)
    for end in (600, 612, 612, 624):
        rule.learn(Series(STEADY.times[:end], STEADY.values[:end]))
    assert weekly.learned == [30.0 + 60.0 * minute for minute in range(51)]
    weekly.learned.clear()
    for end in (300, 312):  # the rings have taken back what came after
        rule.learn(Series(STEADY.times[:end], STEADY.values[:end]))
    assert weekly.learned == [30.0 + 60.0 * 23, 30.0 + 60.0 * 24]


def test_a_shift_is_found_after_the_clock_was_set_back() -> None:
    rule = Shift(LEFT, Rules(hold_s=0))
    rule.look(0.0, Series([time + 7_200 for time in STEADY.times], STEADY.values))
    values = [value + 20.0 * (at >= 600) for at, value in enumerate(STEADY.values)]
    looks = [
        rule.look(60.0 * end, Series(STEADY.times[:end], values[:end]))
        for end in range(612, 721, 12)
    ]
    assert any(looks)
