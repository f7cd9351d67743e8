"""Weeks that are made up, and what is counted of them."""

from __future__ import annotations

from random import Random

import pytest

from keepline.monitor.gauges import Gauge
from tools.rules_seasons import (
    FAULT_S,
    ONSET_S,
    QUIET,
    WEEK_S,
    WRONG,
    Raised,
    Weeks,
    by_week,
    delay_s,
)
from tools.rules_seasons_page import Row, printed

LEFT = Gauge.DISCONNECTS_PER_S


def test_anomalies_are_counted_by_the_week_in_which_they_begin() -> None:
    starts = (0.0, WEEK_S - 1.0, 2.0 * WEEK_S, 4.0 * WEEK_S - 1)
    assert by_week([Raised(LEFT, start, start + 60) for start in starts]) == [2, 0, 1, 1]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(60, 300)], 60.0),
        ([(-60, 300)], 0.0),
        ([(-600, -60), (120, 130), (60, 70)], 60.0),
        ([(FAULT_S + 1, FAULT_S + 60)], None),
        ([], None),
    ],
    ids=["found", "held before", "twice", "too late", "never"],
)
def test_a_fault_is_found_while_it_lasts(
    spans: list[tuple[float, float]], expected: float | None
) -> None:
    raised = [Raised(LEFT, ONSET_S + start, ONSET_S + end) for start, end in spans]
    assert delay_s(raised) == expected


@pytest.mark.parametrize("weeks", WRONG)
def test_a_fault_is_in_the_fourth_week_and_differs_from_what_that_hour_brings(weeks: Weeks) -> None:
    assert weeks.wrong is not None
    last_week = weeks.at(ONSET_S + 60 - WEEK_S, 1.0)
    assert weeks.at(ONSET_S + 60, 1.0) != last_week
    assert weeks.at(ONSET_S + FAULT_S, 1.0) == weeks.at(ONSET_S + FAULT_S - WEEK_S, 1.0)


def test_quiet_weeks_are_all_alike() -> None:
    for weeks in QUIET:
        for second in (Random(1).uniform(0, WEEK_S) for _ in range(100)):
            assert weeks.at(second, 1.0) == weeks.at(second + WEEK_S, 1.0)


def test_the_page_has_a_row_for_all_weeks() -> None:
    rows = [Row([3, 2, 1, 0], [3, 0, 0, 0], 30.0, None)] * (len(QUIET) + len(WRONG))
    table = printed(rows)
    assert "| flat | noise only | 3 → 3 | 2 → 0 | 1 → 0 | 0 → 0 |" in table
    assert "| shop | 30 instead of 8 disconnects a second | 30 s | - |" in table
