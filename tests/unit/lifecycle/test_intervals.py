from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest

from keepline.lifecycle.intervals import (
    DOUBT,
    FORGIVEN_S,
    MARGIN_S,
    SHORTEST_S,
    STEPS_S,
    SURVIVALS,
    TOGETHER_S,
    USUAL_LIFE_S,
    Change,
    Way,
)

LEAST_S = 15.0
MOST_S = 110.0


def survive(way: Way, interval_s: float, times: int = SURVIVALS, now: float = 0.0) -> Change | None:
    change = None
    for _ in range(times):
        change = way.survive(interval_s, now) or change
    return change


def learned(forgets_s: float, most_s: float = MOST_S) -> tuple[Way, int]:
    """Return what is known after all tries where longer silences die, and how many died."""
    way, deaths, now = Way(LEAST_S), 0, 0.0
    while (tried_s := way.next_s(most_s)) > way.lo_s:
        now += 1_000
        if tried_s <= forgets_s:
            way.survive(tried_s, now)
        else:
            way.die(tried_s, LEAST_S, now)
            deaths += 1
    return way, deaths


def test_what_has_survived_five_times_is_everybodys_and_the_next_step_is_tried() -> None:
    way = Way(LEAST_S)
    assert way.next_s(MOST_S) == 28
    assert survive(way, 28, SURVIVALS - 1) is None
    assert way.survive(28, 0.0) == Change(15, 28, "survived 5 times")
    assert way.next_s(MOST_S) == 43


def test_nothing_is_tried_beyond_the_most_and_no_step_that_is_not_worth_it() -> None:
    assert learned(inf)[0].lo_s == MOST_S
    assert learned(inf, 300)[0].lo_s == 298
    assert Way(88.0).next_s(90.0) == 88
    assert Way(20.0).next_s(inf) == 28


@pytest.mark.parametrize("forgets_s", [30, 45, 60, 90, 120, 180, 240, 300])
def test_routers_that_forget_after_a_usual_time_are_pinged_just_below_it(forgets_s: float) -> None:
    assert learned(forgets_s, 300)[0].lo_s == forgets_s - 2


@pytest.mark.parametrize("forgets_s", [30, 45, 60, 75, 90, 105, 200, 299])
def test_a_router_costs_one_connection_at_most(forgets_s: float) -> None:
    way, deaths = learned(forgets_s, 300)
    assert way.lo_s <= forgets_s
    assert deaths <= 1


def test_one_death_of_a_try_is_believed_where_few_die_by_chance() -> None:
    way = Way(58.0)
    change = way.die(88, LEAST_S, 0.0)
    assert change == Change(88, 58, "died, by chance 1 in 246")
    assert way.hi_s == 88
    assert way.next_s(MOST_S) == way.lo_s == 58


def test_hardly_any_router_forgets_before_half_a_minute_so_there_one_death_is_not_enough() -> None:
    way = Way(LEAST_S)
    assert way.die(28, LEAST_S, 0.0) == Change(28, 15, "died, to be tried once more")
    way.die(28, LEAST_S, 1_000.0)
    assert (way.lo_s, way.hi_s) == (15, 28)


def test_where_many_die_by_chance_it_takes_more_deaths() -> None:
    way = Way(58.0, quiet_s=3_600.0, deaths=20)
    assert way.chance(88) > DOUBT
    assert way.die(88, LEAST_S, 0.0) == Change(88, 58, "died, to be tried once more")
    assert way.next_s(MOST_S) == 88
    assert way.die(88, LEAST_S, 1_000.0) == Change(88, 58, "died, by chance 1 in 200")
    assert way.next_s(MOST_S) == 58


def test_what_is_known_of_chance_is_what_was_seen_and_a_little_that_is_supposed() -> None:
    supposed = Way(58.0)
    assert supposed.chance(60) == pytest.approx(60 / USUAL_LIFE_S, rel=0.01)
    seen = Way(58.0, quiet_s=1e7, deaths=999)
    assert seen.chance(60) == pytest.approx(60 / 1e4, rel=0.01)


def test_a_try_that_survives_after_a_death_was_no_matter_of_the_way() -> None:
    way = Way(58.0, quiet_s=3_600.0, deaths=20)
    way.die(88, LEAST_S, 0.0)
    survive(way, 88)
    assert (way.lo_s, way.killed) == (88, 0)


def test_everybody_keeps_a_margin_below_what_has_killed() -> None:
    near, far = Way(80.0), Way(238.0)
    near.die(88, LEAST_S, 0.0)
    far.die(245, LEAST_S, 0.0)
    assert near.lo_s == 70  # a fifth below
    assert far.lo_s == 245 - MARGIN_S


def test_what_had_survived_is_left_when_it_dies_twice_without_surviving() -> None:
    way = Way(100.0)
    assert way.die(100, LEAST_S, 0.0) is None
    assert way.die(100, LEAST_S, 1_000.0) == Change(100, 70, "died, and had survived before")
    assert way.hi_s == 100


def test_devices_that_are_switched_off_once_a_day_change_nothing() -> None:
    way = Way(100.0)
    for day in range(30):
        survive(way, 100, now=86_400.0 * day)
        assert way.die(100, LEAST_S, 86_400.0 * day) is None
    assert way.lo_s == 100


def test_all_who_die_in_one_power_cut_die_once() -> None:
    way = Way(100.0)
    for device in range(20):
        assert way.die(100, LEAST_S, device * TOGETHER_S / 20) is None


def test_a_try_that_dies_after_others_do_was_cut_off_with_them() -> None:
    way = Way(58.0)
    way.die(58, LEAST_S, 1_000.0)
    assert way.die(88, LEAST_S, 1_030.0) is None
    assert (way.hi_s, way.killed) == (inf, 0)


def test_a_try_that_dies_before_others_do_is_acquitted() -> None:
    way = Way(58.0)
    way.die(88, LEAST_S, 1_000.0)
    assert way.die(58, LEAST_S, 1_020.0) == Change(
        58, 58, "others died with it: 88 s has not killed"
    )
    assert way.next_s(MOST_S) == 88
    assert way.die(58, LEAST_S, 1_021.0) is None


def test_what_has_killed_is_not_acquitted_by_a_death_long_after() -> None:
    way = Way(58.0)
    way.die(88, LEAST_S, 1_000.0)
    way.die(58, LEAST_S, 2_000.0)
    way.die(58, LEAST_S, 2_001.0)
    assert way.hi_s == 88


def test_no_interval_is_shorter_than_the_shortest() -> None:
    way = Way(11.0)
    for n in range(5):
        way.die(way.lo_s, LEAST_S, 1_000.0 * n)
    assert way.lo_s == SHORTEST_S


def test_a_week_after_the_last_death_longer_ones_are_tried_anew() -> None:
    way, _ = learned(60)
    at = way.died_at
    way.survive(way.lo_s, at + FORGIVEN_S)
    assert way.next_s(MOST_S) <= way.lo_s
    way.survive(way.lo_s, at + FORGIVEN_S + 1)
    assert way.next_s(MOST_S) > way.lo_s


def test_what_all_begin_with_is_kept_when_a_little_more_kills() -> None:
    way = Way(LEAST_S)
    way.die(18, LEAST_S, 0.0)
    assert way.lo_s == LEAST_S


def test_every_step_is_worth_it_after_the_one_before() -> None:
    for before_s, step_s in pairwise(STEPS_S):
        assert Way(before_s).next_s(inf) == step_s
        assert step_s / before_s <= 1.6
