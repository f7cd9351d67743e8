from __future__ import annotations

from keepline.gateway.tuning.pace import MOST, MOST_APART, Pace

PERIOD_S = 5.0


def after(pace: Pace, share: float, looks: int = 50) -> int:
    """Have looks cost such a share of a core, were each of them taken."""
    for _ in range(looks):
        pace.note(share * PERIOD_S)
    return pace.one_in


def test_what_costs_little_is_done_each_time() -> None:
    assert after(Pace(PERIOD_S), MOST) == 1


def test_what_costs_too_much_is_done_less_often_until_it_fits() -> None:
    assert after(Pace(PERIOD_S), 1.5 * MOST) == 2
    assert after(Pace(PERIOD_S), 3 * MOST) == MOST_APART


def test_it_is_never_left_out_more_often_than_its_bound_says() -> None:
    assert after(Pace(PERIOD_S), 100 * MOST) == MOST_APART


def test_one_look_that_takes_long_changes_nothing() -> None:
    assert after(Pace(PERIOD_S), 3 * MOST, looks=1) == 1


def test_it_is_as_often_as_before_when_it_costs_half_of_what_it_may() -> None:
    pace = Pace(PERIOD_S)
    after(pace, 1.5 * MOST)
    assert after(pace, 0.8 * MOST) == 2, "it would be close to too much again"
    assert after(pace, 0.4 * MOST) == 1
