"""The wheel beside a model that is slow and obviously right."""

from __future__ import annotations

import gc
import weakref
from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keepline.lifecycle import wheel as wheels
from keepline.lifecycle.wheel import (
    STALE_SLACK,
    SWEPT_AT_A_TIME,
    SWEPT_AT_ONCE,
    TimingWheel,
)

START = 1_000.0
ALL = 10**9
HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
RING_S = 51.2


class Item:
    """What waits in a wheel."""

    def __init__(self, name: int = 0) -> None:
        self.name = name
        self.wheel_tick = -1

    def __repr__(self) -> str:
        return f"Item({self.name})"


def items(count: int) -> list[Item]:
    return [Item(name) for name in range(count)]


def wheel() -> TimingWheel[Item]:
    return TimingWheel(START)


def up_to(timing: TimingWheel[Item], now: float, limit: int) -> list[Item]:
    """What is due, but at most so many, however few a call returns."""
    fired = timing.advance(now, limit)
    while timing.is_behind and len(fired) < limit:
        fired += timing.advance(now, limit - len(fired))
    return fired


def test_an_item_comes_back_once_when_it_is_due_and_not_before() -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm(item, START + 5)
    assert wheel_.armed == 1
    assert wheel_.advance(START + 4.95, ALL) == []
    assert wheel_.advance(START + 5, ALL) == [item]
    assert (wheel_.armed, item.wheel_tick) == (0, -1)
    assert wheel_.advance(START + 500, ALL) == []


def test_all_who_are_armed_for_a_tick_share_its_number() -> None:
    timing, one, other, later = wheel(), Item(), Item(), Item()
    timing.arm(one, START + 40.0)
    timing.arm(other, START + 40.0)
    assert one.wheel_tick is other.wheel_tick
    timing.arm(later, START + 40.0 + 51.2)  # has the same place in the next rotation
    assert later.wheel_tick == one.wheel_tick + 512


def test_the_number_of_a_tick_is_gone_with_it_and_with_all_who_were_armed_for_it() -> None:
    timing, fleet = wheel(), items(4 * STALE_SLACK)
    for item in fleet:
        timing.arm(item, START + 10 + item.name % 100)
    passed = timing.advance(START + 50, ALL)
    for item in fleet:
        timing.cancel(item)
    timing.arm(fleet[0], START + 200)
    kept = [number for number in timing._numbers if number]
    assert len(passed) > STALE_SLACK
    assert len(kept) <= STALE_SLACK + 1


def test_a_due_time_between_two_ticks_waits_for_the_later() -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm(item, START + 0.11)
    assert wheel_.advance(START + 0.19, ALL) == []
    assert wheel_.advance(START + 0.2, ALL) == [item]


@pytest.mark.parametrize("tick", [1, 3, 7, 301, 512, 4_999, 86_399])
def test_a_due_time_on_a_tick_does_not_slip_by_rounding(tick: int) -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm(item, START + tick / 10)
    assert wheel_.advance(START + (tick - 1) / 10, ALL) == []
    assert wheel_.advance(START + tick / 10, ALL) == [item]


def test_what_is_overdue_comes_with_the_next_tick() -> None:
    wheel_, item = wheel(), Item()
    wheel_.advance(START + 60, ALL)
    wheel_.arm(item, START + 1)
    assert wheel_.advance(START + 60.05, ALL) == []
    assert wheel_.advance(START + 60.1, ALL) == [item]


@pytest.mark.parametrize("moved_to", [2.0, 20.0, 200.0, 90_000.0])
def test_arming_again_replaces_the_earlier_arming(moved_to: float) -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm(item, START + 10)
    wheel_.arm(item, START + moved_to)
    assert wheel_.armed == 1
    assert wheel_.advance(START + moved_to - 0.2, ALL) == []
    assert wheel_.advance(START + moved_to, ALL) == [item]


@pytest.mark.parametrize(("first", "then", "comes"), [(10, 60, 10), (60, 10, 10), (10, 10, 10)])
def test_arming_by_a_time_never_puts_an_item_off(first: int, then: int, comes: int) -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm_by(item, START + first)
    wheel_.arm_by(item, START + then)
    assert wheel_.advance(START + comes - 0.2, ALL) == []
    assert wheel_.advance(START + comes, ALL) == [item]
    assert wheel_.armed == 0


def test_arming_back_and_forth_returns_an_item_once() -> None:
    wheel_, item = wheel(), Item()
    for due in (10, 60, 10, 300, 60, 10):
        wheel_.arm(item, START + due)
    assert wheel_.advance(START + 400, ALL) == [item]


def test_a_cancelled_item_never_comes_back_and_may_be_cancelled_twice() -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm(item, START + 1)
    wheel_.cancel(item)
    wheel_.cancel(item)
    assert (wheel_.armed, item.wheel_tick) == (0, -1)
    assert wheel_.advance(START + 10, ALL) == []


def test_what_exceeds_the_limit_stays_due_and_comes_in_order() -> None:
    wheel_, waiting = wheel(), items(7)
    for item in waiting:
        wheel_.arm(item, START + 1 + item.name // 4)
    assert wheel_.advance(START + 5, 3) == waiting[:3]
    assert wheel_.armed == 4
    assert wheel_.advance(START + 5, 3) == waiting[3:6]
    assert wheel_.advance(START + 5, 3) == waiting[6:]
    assert wheel_.advance(START + 5, 3) == []


def test_an_item_over_the_limit_may_still_be_cancelled_or_moved() -> None:
    wheel_, waiting = wheel(), items(4)
    for item in waiting:
        wheel_.arm(item, START + 1)
    assert wheel_.advance(START + 1, 1) == [waiting[0]]
    wheel_.cancel(waiting[1])
    wheel_.arm(waiting[2], START + 9)
    assert wheel_.advance(START + 1, ALL) == [waiting[3]]
    assert wheel_.advance(START + 9, ALL) == [waiting[2]]
    assert wheel_.armed == 0


def test_an_item_may_be_armed_again_while_it_is_being_handled() -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm(item, START + 1)
    fired = 0
    for tick in range(1, 101):
        for due in wheel_.advance(START + tick / 10, ALL):
            fired += 1
            wheel_.arm(due, START + tick / 10 + 1)
    assert fired == 10


def test_one_big_jump_returns_everything_in_the_order_of_its_ticks() -> None:
    wheel_ = wheel()
    delays = [3 * DAY_S, 0.1, 51.2, 51.3, HOUR_S, 2 * DAY_S, 58.3 * HOUR_S, 54 * 60.0, 0.2]
    waiting = items(len(delays))
    for item in waiting:
        wheel_.arm(item, START + delays[item.name])
    fired = wheel_.advance(START + 4 * DAY_S, ALL)
    assert [delays[item.name] for item in fired] == sorted(delays)


@pytest.mark.parametrize("delay_s", [51.1, 51.2, 51.3, 3_276.7, 3_276.8, 3_276.9, 58.26 * HOUR_S])
def test_an_item_on_the_border_of_a_level_is_punctual_tick_by_tick(delay_s: float) -> None:
    wheel_, item = wheel(), Item()
    tick = ceil(delay_s * 10 - 1e-6)
    wheel_.arm(item, START + delay_s)
    wheel_.advance(START + (tick - 600) / 10, ALL)
    fired = [t for t in range(tick - 600, tick + 600) if wheel_.advance(START + t / 10, ALL)]
    assert fired == [tick]


def test_items_of_one_tick_come_in_the_order_of_their_arming_through_every_level() -> None:
    wheel_, waiting = wheel(), items(50)
    for item in waiting[:25]:
        wheel_.arm(item, START + 4_000)
    wheel_.advance(START + 3_950, ALL)
    for item in waiting[25:]:
        wheel_.arm(item, START + 4_000)
    assert wheel_.advance(START + 4_000, ALL) == waiting


def test_stale_entries_let_go_of_their_items() -> None:
    wheel_, keeper = wheel(), Item()
    wheel_.arm(keeper, START + 30)
    gone = items(3 * STALE_SLACK)
    for item in gone:
        wheel_.arm(item, START + 40)
    watched = [weakref.ref(item) for item in gone]
    for item in gone:
        wheel_.cancel(item)
    del item, gone
    gc.collect()
    alive = sum(ref() is not None for ref in watched)
    assert alive <= STALE_SLACK + 2
    assert wheel_.stale <= STALE_SLACK + 2
    assert wheel_.advance(START + 30, ALL) == [keeper]


def test_entries_of_a_fleet_are_swept_a_few_at_a_time_and_nobody_is_forgotten() -> None:
    wheel_, fleet = wheel(), items(10 * SWEPT_AT_ONCE)
    random = Random(1)
    stale, most = 0, 0
    now = START
    for _ in range(3):  # each is armed early, then late, and every third one leaves
        for item in fleet:
            for due in (now + random.uniform(1, 40), now + random.uniform(40, 90)):
                before = wheel_.stale
                wheel_.arm(item, due)
                most = max(most, before - wheel_.stale)
            stale = max(stale, wheel_.stale)
        now += 0.25
        assert wheel_.advance(now, ALL) == []
    for item in fleet[::3]:
        wheel_.cancel(item)
    left = {item for number, item in enumerate(fleet) if number % 3}
    assert most <= SWEPT_AT_A_TIME
    assert stale <= 1.5 * len(fleet)
    assert wheel_.armed == len(left)
    assert set(wheel_.advance(now + 100, ALL)) == left
    assert wheel_.stale == 0


def test_an_item_that_is_moved_for_ever_leaves_few_stale_entries() -> None:
    wheel_, item = wheel(), Item()
    for step in range(20 * STALE_SLACK):
        wheel_.arm(item, START + 1 + step % 4_096)
        assert wheel_.stale <= STALE_SLACK + 2
    assert wheel_.armed == 1
    assert wheel_.advance(START + 5_000, ALL) == [item]


def test_what_comes_back_is_no_longer_held() -> None:
    wheel_, item = wheel(), Item()
    wheel_.arm(item, START + 1)
    wheel_.advance(START + 1, ALL)
    wheel_.advance(START + 2, ALL)
    ref = weakref.ref(item)
    del item
    gc.collect()
    assert ref() is None


class Counted:
    """An item that counts how often the wheel has looked at one of its kind."""

    looks = 0

    def __init__(self) -> None:
        self.tick = -1

    @property
    def wheel_tick(self) -> int:
        Counted.looks += 1
        return self.tick

    @wheel_tick.setter
    def wheel_tick(self, tick: int) -> None:
        self.tick = tick


def test_no_advance_looks_at_more_than_its_bound_wherever_a_fleet_is_armed() -> None:
    fleet = [Counted() for _ in range(20_000)]
    timing: TimingWheel[Counted] = TimingWheel(START)
    random, most, limit = Random(1), 0, 16
    for item in fleet[:10_000]:  # on one tick, in the third turn of the ring
        timing.arm(item, START + 2 * RING_S + 7)
    for item in fleet[10_000:]:  # around the border between two turns, and in many
        timing.arm(item, START + RING_S + random.choice([0, 0.1, 7, random.uniform(0, 200)]))
    now, back = START, []
    while now < START + RING_S + 201:
        now += 0.1
        while True:
            Counted.looks = 0
            back += timing.advance(now, limit)
            most = max(most, Counted.looks)
            if not timing.is_behind:
                break
    assert most <= 16 + 512
    assert len(back) == len(set(back)) == len(fleet)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from([0, 512, 1024, 5120])),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.integers(1, 1_500), min_size=4, max_size=12),
    st.integers(1, 3),
)
def test_however_little_a_call_may_look_at_all_come_in_order_and_in_time(
    due: list[tuple[int, int]], steps: list[int], limit: int
) -> None:
    timing, waiting = wheel(), items(len(due))
    ticks = [early + turns + 1 for early, turns in due]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheels, "LOOKED_AT", 1)
        for item in waiting:
            timing.arm(item, START + ticks[item.name] / 10)
        tick, back = 0, []
        for step in [*steps, 7_000]:
            tick += step
            timing.is_behind = True
            while timing.is_behind:
                back += timing.advance(START + tick / 10, limit)
            assert [ticks[item.name] for item in back] == sorted(
                each for each in ticks if each <= tick
            )
    assert timing.armed == timing.stale == 0


class WheelBesideModel(RuleBasedStateMachine):
    """Random lives of a wheel; the model is a dictionary from item to tick."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.wheel = wheel()
        self.twin = wheel()
        self.items = items(12)
        self.twins = items(12)
        self.model: dict[int, int] = {}

    @rule(
        name=st.integers(0, 11),
        delay_s=st.one_of(
            st.floats(-1, 3),
            st.floats(0, 120),
            st.floats(3_200, 3_400),
            st.floats(0, 3 * DAY_S),
            st.integers(0, 1_200).map(lambda tick: tick / 10),
        ),
    )
    def arm(self, name: int, delay_s: float) -> None:
        due = self.now + delay_s
        self.wheel.arm(self.items[name], due)
        self.twin.arm(self.twins[name], due)
        tick = ceil((due - START) * 10 - 1e-6)
        self.model[name] = max(tick, self.opened + 1)

    @rule(name=st.integers(0, 11), delay_s=st.floats(0, 120))
    def arm_by(self, name: int, delay_s: float) -> None:
        due = self.now + delay_s
        self.wheel.arm_by(self.items[name], due)
        self.twin.arm_by(self.twins[name], due)
        tick = ceil((due - START) * 10 - 1e-6)
        if self.model.get(name, ALL) > tick:
            self.model[name] = max(tick, self.opened + 1)

    @rule(name=st.integers(0, 11))
    def cancel(self, name: int) -> None:
        self.wheel.cancel(self.items[name])
        self.twin.cancel(self.twins[name])
        self.model.pop(name, None)

    @rule(
        by_s=st.one_of(
            st.floats(0, 0.3), st.floats(0, 60), st.floats(0, 4_000), st.floats(0, DAY_S)
        ),
        limit=st.one_of(st.integers(1, 4), st.just(ALL)),
    )
    def advance(self, by_s: float, limit: int) -> None:
        self.now += by_s
        self.check_advance(limit)

    @precondition(lambda self: self.model)
    @rule()
    def jump_to_the_next(self) -> None:
        self.now = max(self.now, START + min(self.model.values()) / 10)
        self.check_advance(ALL)

    def check_advance(self, limit: int) -> None:
        fired = up_to(self.wheel, self.now, limit)
        again = up_to(self.twin, self.now, limit)
        assert [item.name for item in fired] == [item.name for item in again]
        target = int((self.now - START) * 10 + 1e-6)
        due = {name: tick for name, tick in self.model.items() if tick <= target}
        assert len(fired) == min(limit, len(due))
        ticks = [self.model.pop(item.name) for item in fired]
        assert ticks == sorted(due.values())[: len(fired)]
        assert all(item.wheel_tick == -1 for item in fired)

    @property
    def opened(self) -> int:
        return self.wheel._tick

    @invariant()
    def what_is_armed_is_what_the_model_holds(self) -> None:
        assert self.wheel.armed == len(self.model)
        for item in self.items:
            assert item.wheel_tick == self.model.get(item.name, -1)


TestWheelBesideModel = WheelBesideModel.TestCase
TestWheelBesideModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 7_000), min_size=1, max_size=60), st.floats(0.05, 400))
def test_nothing_is_ever_early_and_nothing_later_than_one_tick_and_one_step(
    delays: list[float], step_s: float
) -> None:
    wheel_ = wheel()
    for item in items(len(delays)):
        wheel_.arm(item, START + delays[item.name])
    now = START
    while wheel_.armed:
        now += step_s
        for item in wheel_.advance(now, ALL):
            late_s = now - START - delays[item.name]
            assert -1e-6 <= late_s <= step_s + 0.1 + 1e-6
