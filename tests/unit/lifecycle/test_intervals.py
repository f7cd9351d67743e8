from __future__ import annotations

from math import inf

import pytest

from keepline.lifecycle.intervals import (
    DEATHS,
    FORGIVEN_S,
    SHORTEST_S,
    SURVIVALS,
    TOGETHER_S,
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


def learned(forgets_s: float, most_s: float = MOST_S) -> Way:
    """Return what is known after all tries, where silences longer than that die."""
    way = Way(LEAST_S)
    now = 0.0
    while (tried_s := way.next_s(most_s)) > way.lo_s:
        now += 1_000
        if tried_s <= forgets_s:
            way.survive(tried_s, now)
        else:
            way.die(tried_s, LEAST_S, now)
    return way


def test_what_has_survived_five_times_is_everybodys_and_a_quarter_more_is_tried() -> None:
    way = Way(40.0)
    assert way.next_s(MOST_S) == 50
    assert survive(way, 50, SURVIVALS - 1) is None
    assert way.survive(50, 0.0) == Change(40, 50, "survived 5 times")
    assert way.next_s(MOST_S) == 62


def test_nothing_is_tried_beyond_the_most() -> None:
    assert learned(inf).lo_s == MOST_S
    assert learned(inf, 300).lo_s == 300
    assert Way(100.0).next_s(MOST_S) == MOST_S


@pytest.mark.parametrize("forgets_s", [30, 45, 60, 75, 90, 105])
def test_what_is_learned_is_below_what_kills_and_not_far(forgets_s: float) -> None:
    way = learned(forgets_s)
    assert 0.75 * forgets_s <= way.lo_s <= forgets_s < way.hi_s


def test_one_death_of_a_try_changes_nobodys_interval_and_a_second_is_believed() -> None:
    way = Way(48.0, trier=7)
    assert way.die(60, LEAST_S, 0.0) == Change(60, 48, "died, to be tried once more")
    assert (way.lo_s, way.hi_s, way.trier) == (48, inf, 0)
    assert way.next_s(MOST_S) == 60
    assert way.die(60, LEAST_S, 1_000.0) == Change(60, 48, f"died {DEATHS} times")
    assert (way.lo_s, way.hi_s) == (48, 60)
    assert way.next_s(MOST_S) <= way.lo_s


def test_a_try_that_survives_after_a_death_was_no_matter_of_the_way() -> None:
    way = Way(48.0)
    way.die(60, LEAST_S, 0.0)
    survive(way, 60)
    assert (way.lo_s, way.killed) == (60, 0)


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


def test_no_interval_is_shorter_than_the_shortest() -> None:
    way = Way(11.0)
    for n in range(5):
        way.die(way.lo_s, LEAST_S, 1_000.0 * n)
    assert way.lo_s == SHORTEST_S


def test_a_week_after_the_last_death_longer_ones_are_tried_anew() -> None:
    way = learned(60)
    at = way.died_at
    way.survive(way.lo_s, at + FORGIVEN_S)
    assert way.next_s(MOST_S) <= way.lo_s
    way.survive(way.lo_s, at + FORGIVEN_S + 1)
    assert way.next_s(MOST_S) > way.lo_s


def test_what_all_begin_with_is_kept_when_a_little_more_kills() -> None:
    way = Way(LEAST_S)
    for n in range(DEATHS):
        way.die(18, LEAST_S, 1_000.0 * n)
    assert way.lo_s == LEAST_S
