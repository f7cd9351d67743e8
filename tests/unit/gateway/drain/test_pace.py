from __future__ import annotations

import pytest

from keepline.gateway.drain.pace import (
    ASSUMED_COST_S,
    FASTER,
    HEADROOM,
    LEAST,
    SLOWER,
    AdmissionCost,
    Pace,
)


def judged(pace: Pace, lags_s: list[float], refused_share: float = 0.0) -> float:
    for lag_s in lags_s:
        pace.note(lag_s)
    pace.judge(0.0, refused_share)
    return pace.factor


def test_a_pace_begins_as_planned_and_is_never_faster() -> None:
    assert judged(Pace(0.0), [0.0] * 40) == 1


def test_a_loop_that_is_late_slows_it_and_it_recovers_a_little_at_a_time() -> None:
    pace = Pace(0.0)
    assert judged(pace, [0.06] * 40) == SLOWER
    assert judged(pace, [0.0] * 40) == pytest.approx(SLOWER + FASTER)


def test_one_late_turn_among_many_is_no_reason() -> None:
    assert judged(Pace(0.0), [0.0] * 39 + [1.0]) == 1


def test_more_than_one_refused_in_a_hundred_slows_it() -> None:
    assert judged(Pace(0.0), [], refused_share=0.01) == 1
    assert judged(Pace(0.0), [], refused_share=0.02) == SLOWER


def test_it_never_comes_to_a_stand_by_itself() -> None:
    pace = Pace(0.0)
    for _ in range(100):
        judged(pace, [1.0])
    assert pace.factor == LEAST


def test_it_is_judged_once_a_second() -> None:
    pace = Pace(10.0)
    assert not pace.is_due(10.9)
    assert pace.is_due(11.0)
    pace.judge(11.0, 0.0)
    assert not pace.is_due(11.9)


def test_before_anybody_came_an_admission_is_taken_for_dear() -> None:
    assert AdmissionCost().rate_per_s == HEADROOM / ASSUMED_COST_S


def test_the_cheapest_busy_second_says_what_an_admission_costs() -> None:
    cost = AdmissionCost()
    cost.note(100, 0.04)
    assert cost.cost_s == pytest.approx(0.0004)
    cost.note(200, 0.14)  # other work in that second
    assert cost.cost_s == pytest.approx(0.0004)
    cost.note(400, 0.18)
    assert cost.cost_s == pytest.approx(0.0002)
    assert cost.rate_per_s == pytest.approx(3_500)


def test_a_second_with_few_admissions_says_nothing() -> None:
    cost = AdmissionCost()
    cost.note(10, 0.5)
    assert cost.cost_s is None
