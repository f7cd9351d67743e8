"""What ends when, how serious that is, and whether it is a leak."""

from __future__ import annotations

import random

import pytest

from keepline.monitor.findings import Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.outlook import LONG, SHORT, Outlook, Pace, Window, pace_of
from keepline.monitor.sample import Series
from keepline.settings.rules import Rules

HOUR_S = 3_600
TIMES = [60.0 * number for number in range(60)]


def grown(per_hour: float, start: float = 1_000.0, noise: float = 1.0) -> Series:
    chance = random.Random(11)
    return Series(
        TIMES, [start + per_hour * time / HOUR_S + chance.gauss(0, noise) for time in TIMES]
    )


def outlook(series: Series, limit: float, window: Window = LONG, looks: int = 3) -> str | None:
    rule = Outlook(Gauge.DESCRIPTORS, window, Rules())
    found = None
    for look in range(looks):
        found = rule.look(look * window.every_s, series, limit)
    return found and found.severity


@pytest.mark.parametrize(
    ("left_h", "expected"),
    [
        (0.4, Severity.HIGH),
        (0.6, Severity.MEDIUM),
        (5.5, Severity.MEDIUM),
        (7.0, None),
        (-1.0, Severity.HIGH),
    ],
)
def test_the_sooner_it_ends_the_more_serious(left_h: float, expected: Severity | None) -> None:
    assert outlook(grown(600.0), limit=1_600.0 + 600 * left_h) == expected


@pytest.mark.parametrize(
    "series",
    [grown(0.0), grown(-600.0), grown(600.0, noise=2_000.0), Series([], [])],
    ids=["flat", "falls", "not sure", "nothing"],
)
def test_what_does_not_surely_grow_has_no_end(series: Series) -> None:
    assert outlook(series, limit=1_700.0) is None


def test_what_has_no_known_limit_never_ends() -> None:
    assert outlook(grown(600.0), limit=float("inf")) is None


def test_it_is_found_when_it_has_lasted_and_over_when_it_has_not() -> None:
    rule = Outlook(Gauge.DESCRIPTORS, SHORT, Rules())
    series = [grown(600.0)] * 3 + [grown(0.0)] * 6
    found = [rule.look(30.0 * at, each, 2_000.0) is not None for at, each in enumerate(series)]
    assert found == [False, False, True, True, True, True, True, False, False]


def test_while_it_holds_the_numbers_are_those_that_were_sure() -> None:
    rule = Outlook(Gauge.DESCRIPTORS, SHORT, Rules())
    for at in range(3):
        sure = rule.look(30.0 * at, grown(600.0), 2_000.0)
    assert sure is not None
    assert rule.look(90.0, grown(0.0), 2_000.0) == sure
    assert sure.value == pytest.approx(600 / HOUR_S, rel=0.05)
    assert sure.detail.startswith("open files: 600 more an hour, 2,000 in ")


@pytest.mark.parametrize(
    ("leak", "load", "cause"),
    [
        (4e8, 0.0, ", not explained by connections: a leak"),
        (4e8, 2_000.0, ", not explained by connections: a leak"),
        (0.0, 20_000.0, " with the connections"),
    ],
    ids=["leak", "both, the leak is more", "load"],
)
def test_growth_of_memory_has_a_cause(leak: float, load: float, cause: str) -> None:
    chance = random.Random(2)
    counts = [2_000 + load * time / HOUR_S + chance.gauss(0, 0.3 * load + 20) for time in TIMES]
    memory = [
        3e8 + 40_960 * count + leak * time / HOUR_S + chance.gauss(0, 1e5)
        for time, count in zip(TIMES, counts, strict=True)
    ]
    pace = pace_of(Series(TIMES, memory), 2e9, Series(TIMES, counts))
    assert pace is not None
    assert pace.cause == cause


def test_load_that_might_hide_a_leak_says_so() -> None:
    counts = [2_000 + time for time in TIMES]
    memory = [3e8 + 40_960 * count for count in counts]
    pace = pace_of(Series(TIMES, memory), 2e9, Series(TIMES, counts))
    assert pace is not None
    assert pace.cause == " with the connections, or a leak that rises with them"


def test_a_leak_behind_load_that_falls_is_found() -> None:
    chance = random.Random(4)
    counts = [8_000 - 2_000 * (time / HOUR_S) ** 3 + chance.gauss(0, 100) for time in TIMES]
    memory = [
        3e8 + 40_960 * count + 5e7 * time / HOUR_S
        for time, count in zip(TIMES, counts, strict=True)
    ]
    assert (
        pace_of(Series(TIMES, memory), 2e9) == Pace(0.0, None, "")
        or pace_of(Series(TIMES, memory), 2e9) is None
    )
    pace = pace_of(Series(TIMES, memory), 2e9, Series(TIMES, counts))
    assert pace is not None
    assert pace.slope == pytest.approx(5e7 / HOUR_S, rel=0.05)


def test_a_window_by_the_minute_takes_medians() -> None:
    series = Series([0.0, 20.0, 40.0, 60.0, 80.0], [1.0, 9.0, 2.0, 5.0, 5.0])
    assert LONG.cut(series) == Series([30.0], [2.0])
    assert SHORT.cut(series) == series
