from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.gateway.drain.plan import (
    OWN_RATE_PER_S,
    SETTLE_S,
    Crowd,
    Plan,
    Return,
    Slots,
    Wave,
)

AWAY, TOLD, BACK = Return.NEVER, Return.TOLD, Return.BY_ITSELF


def plan(crowd: Crowd, **changes: Any) -> Plan:
    usual = {"rate_per_s": 100.0, "wait_s": 20.0, "turn_s": 15.0, "close_s": 1.0, "away_s": 5.0}
    return Plan(crowd=crowd, **{**usual, **changes})


def test_nobody_takes_no_time() -> None:
    nobody = plan({})
    assert (nobody.count(), nobody.waves_s, nobody.eta_s, nobody.fits) == (0, 0, 0, True)


def test_devices_that_stay_away_go_as_fast_as_our_loop_allows() -> None:
    made = plan({(Wave.IDLE, AWAY): 1_000})
    assert made.waves_s == 1_000 / OWN_RATE_PER_S
    assert made.eta_s == made.waves_s + made.close_s + SETTLE_S
    assert made.fits


def test_a_crowd_that_needs_no_spreading_goes_within_half_the_time_there_is() -> None:
    made = plan({(Wave.IDLE, AWAY): 100_000})
    assert made.waves_s == 10
    assert made.own_rate_per_s == 10_000


def test_devices_that_come_back_by_themselves_go_at_the_rate_at_which_they_may_arrive() -> None:
    made = plan({(Wave.QUIET, BACK): 1_000, (Wave.IDLE, AWAY): 1_000})
    assert made.waves_s == 10


def test_a_conversation_is_reckoned_with_its_longest_turn() -> None:
    assert plan({(Wave.TALKING, AWAY): 1}).eta_s == 15 + 1 + SETTLE_S


def test_who_finds_no_slot_is_told_beforehand_the_quiet_before_the_idle() -> None:
    made = plan({(Wave.IDLE, BACK): 1_500, (Wave.QUIET, BACK): 300, (Wave.TALKING, BACK): 400})
    assert not made.fits
    assert made.cut == {Wave.QUIET: 200}
    worse = plan({(Wave.IDLE, BACK): 2_500, (Wave.QUIET, BACK): 300, (Wave.TALKING, BACK): 400})
    assert worse.cut == {Wave.QUIET: 300, Wave.IDLE: 900}
    assert worse.told()["fits"] is False


def test_exactly_as_many_as_there_are_slots_fit() -> None:
    assert plan({(Wave.IDLE, BACK): 2_000}).fits
    assert plan({(Wave.IDLE, BACK): 2_001}).cut == {Wave.IDLE: 1}


def test_devices_are_counted_by_wave_by_kind_and_by_both() -> None:
    made = plan({(Wave.IDLE, AWAY): 1, (Wave.IDLE, TOLD): 2, (Wave.QUIET, TOLD): 4})
    assert made.count() == 7
    assert made.count(Wave.IDLE) == 3
    assert made.count(comes_back=TOLD) == 6
    assert made.count(Wave.QUIET, AWAY) == 0


@given(st.floats(0, 100), st.floats(0.1, 10_000), st.lists(st.floats(0, 0.999), max_size=30))
def test_each_has_a_stratum_of_its_own(begin_s: float, rate: float, draws: list[float]) -> None:
    slots = Slots(rate, begin_s)
    for number, u in enumerate(draws):
        first_s = begin_s + number / rate
        assert first_s <= slots.take(u) <= first_s + 1 / rate


def test_who_is_late_gets_no_slot_of_the_past() -> None:
    slots = Slots(10.0)
    assert slots.take(0.5) == 0.05
    late = [slots.take(0.0, 2.04) for _ in range(5)]
    assert late == [2.0, 2.1, 2.2, 2.3, 2.4]


def test_ten_thousand_that_are_told_arrive_at_the_rate_and_never_in_a_crowd() -> None:
    draw = random.Random(1).random
    made = plan({(Wave.IDLE, TOLD): 10_000}, away_s=0.0)
    slots = Slots(made.rate_per_s, made.hints_s)
    arrivals = [slots.take(draw(), number / made.own_rate_per_s) for number in range(10_000)]
    seconds = Counter(int(at) for at in arrivals)
    assert max(seconds.values()) <= 1.1 * made.rate_per_s
    assert max(arrivals) == pytest.approx(100, rel=0.01)


def test_who_returns_here_comes_when_this_gateway_can_be_back() -> None:
    made = plan({(Wave.IDLE, TOLD): 1_000})
    assert made.hints_s == made.eta_s + 5


def test_who_is_told_comes_behind_those_that_nobody_can_tell() -> None:
    made = plan({(Wave.IDLE, TOLD): 1_000, (Wave.IDLE, BACK): 1_000}, away_s=0.0, back_s=7.0)
    assert made.hints_s == 10 + 7
    assert plan({(Wave.IDLE, TOLD): 1_000}, away_s=0.0).hints_s == 0
    here = plan({(Wave.IDLE, TOLD): 1_000, (Wave.IDLE, BACK): 1_000}, back_s=7.0)
    assert here.hints_s == here.eta_s + here.away_s + 7


def test_turns_that_end_last_have_their_slots_behind_all_others() -> None:
    made = plan({(Wave.TALKING, BACK): 200}, wait_s=30.0)
    assert made.eta_s == 15 + 2 + made.close_s + SETTLE_S
