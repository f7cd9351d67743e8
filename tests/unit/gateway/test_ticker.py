from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from keepline.clock import ManualClock
from keepline.gateway.ticker import DUE_PER_TURN, STALL_S, Ticker
from keepline.lifecycle.heartbeat import Heartbeat
from keepline.lifecycle.wheel import TICK_S, TimingWheel
from keepline.monitor.metrics import Counters

if TYPE_CHECKING:
    from keepline.gateway.ticker import Due


class Item:
    def __init__(self) -> None:
        self.wheel_tick = -1
        self.transport: asyncio.Transport = Mock(spec=asyncio.Transport)
        self.heartbeat = Heartbeat(last_rx=0.0)
        self.due_at: list[float] = []

    def on_due(self, now: float) -> None:
        self.due_at.append(now)


class Faulty(Item):
    def on_due(self, now: float) -> None:
        super().on_due(now)
        raise ZeroDivisionError


class Ticking:
    """A ticker on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock(now=0.0)
        self.counters = Counters()
        self.stalls: list[float] = []
        self.faults: list[object] = []
        self.wheel: TimingWheel[Due] = TimingWheel(0.0)
        self.ticker = Ticker(
            self.wheel,
            self.clock,
            self.counters,
            patience_s=1.0,
            on_stall=self.stalls.append,
            on_fault=lambda item, _: self.faults.append(item),
        )

    def tick(self, after_s: float = TICK_S, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(after_s)
            self.ticker.advance()


def test_what_is_due_is_looked_at_once() -> None:
    ticking, item = Ticking(), Item()
    ticking.wheel.arm(item, 0.5)
    ticking.tick(times=4)
    assert item.due_at == []
    ticking.tick(times=4)
    assert item.due_at == [pytest.approx(0.5)]


def test_a_fault_at_one_deadline_keeps_no_other_from_its_own() -> None:
    ticking, faulty, item = Ticking(), Faulty(), Item()
    ticking.wheel.arm(faulty, 0.5)
    ticking.wheel.arm(item, 0.5)
    ticking.tick(times=8)
    assert ticking.faults == [faulty]
    assert len(item.due_at) == 1


def test_a_fault_in_telling_of_a_fault_keeps_no_other_from_being_looked_at() -> None:
    ticking, faulty, item = Ticking(), Faulty(), Item()
    ticking.ticker._on_fault = Mock(side_effect=AttributeError)
    ticking.wheel.arm(faulty, 0.5)
    ticking.wheel.arm(item, 0.5)
    ticking.tick(times=8)
    assert len(item.due_at) == 1


def test_what_no_fence_stops_loses_nobody_who_is_due() -> None:
    class Cancelled(Item):
        def on_due(self, now: float) -> None:
            raise asyncio.CancelledError

    ticking, cancelled, item = Ticking(), Cancelled(), Item()
    ticking.wheel.arm(cancelled, 0.1)
    ticking.wheel.arm(item, 0.1)
    with pytest.raises(asyncio.CancelledError):
        ticking.tick()
    ticking.tick()
    assert len(item.due_at) == 1


def test_a_fault_in_the_roll_of_those_asked_keeps_no_other_from_being_looked_at() -> None:
    ticking, faulty, item = Ticking(), Faulty(), Item()
    ticking.tick()
    for asked in (faulty, item):
        asked.heartbeat.asked_at = ticking.ticker.now
        ticking.ticker.expect(asked)
    ticking.tick(times=12)
    assert ticking.faults == [faulty]
    assert len(item.due_at) == 1


def test_now_is_coarse_and_one_object_for_all_who_store_it() -> None:
    ticking = Ticking()
    ticking.tick()
    before = ticking.ticker.now
    ticking.clock.advance(0.05)
    assert ticking.ticker.now is before
    assert ticking.ticker.precise() == pytest.approx(0.15)


def test_a_late_turn_is_our_own_stall_and_no_silence_is_counted_for_it() -> None:
    ticking = Ticking()
    ticking.tick(times=10)
    ticking.tick(after_s=5.0)
    assert ticking.ticker.now == pytest.approx(1.0 + TICK_S)
    assert ticking.stalls == [pytest.approx(5.0 - TICK_S)]
    assert ticking.counters.loop_stalls == 1
    assert ticking.counters.loop_stalled_s == pytest.approx(4.9)


def test_a_turn_a_little_late_is_no_stall() -> None:
    ticking = Ticking()
    ticking.tick(after_s=STALL_S - 0.01)
    assert ticking.stalls == []
    assert ticking.ticker.now == pytest.approx(0.24)


def test_the_worst_lag_is_taken_once_and_then_begins_anew() -> None:
    ticking = Ticking()
    ticking.tick(after_s=TICK_S + 0.02)
    ticking.tick(after_s=5.0)
    ticking.tick(times=3)
    assert ticking.ticker.take_worst_lag_s() == pytest.approx(5.0 - TICK_S)
    ticking.tick(after_s=TICK_S + 0.02)
    assert ticking.ticker.take_worst_lag_s() == pytest.approx(0.02)
    assert ticking.ticker.take_worst_lag_s() == 0.0


def test_precise_time_leaves_stalls_out_too() -> None:
    ticking = Ticking()
    ticking.tick(after_s=5.0)
    assert ticking.ticker.precise() == pytest.approx(ticking.ticker.now)


def test_deadlines_wait_as_much_longer_as_we_stood_still() -> None:
    ticking, item = Ticking(), Item()
    ticking.wheel.arm(item, 2.0)
    ticking.tick(times=10)
    ticking.tick(after_s=5.0)
    assert item.due_at == []
    ticking.tick(times=9)
    assert item.due_at == [pytest.approx(2.0)]


def test_of_those_asked_only_the_silent_are_looked_at_again() -> None:
    ticking, silent, lively = Ticking(), Item(), Item()
    ticking.tick()
    for item in (silent, lively):
        item.heartbeat.asked_at = ticking.ticker.now
        item.heartbeat.last_rx = 0.0
        ticking.ticker.expect(item)
    ticking.tick(times=2)
    lively.heartbeat.last_rx = ticking.ticker.now
    ticking.tick(times=9)
    assert lively.due_at == []
    assert silent.due_at == [pytest.approx(1.15, abs=TICK_S)]


class StandingLoop:
    """A loop that only keeps what it was told to call later."""

    def __init__(self) -> None:
        self.handles: list[StandingHandle] = []
        self.soon: list[StandingHandle] = []

    def call_soon(self, callback: object) -> StandingHandle:
        self.soon.append(StandingHandle(0.0, callback))
        return self.soon[-1]

    def turn(self) -> None:
        """Call what was to be called soon, and not what that asks for."""
        called, self.soon = self.soon, []
        for handle in called:
            if not handle.cancelled:
                handle.callback()  # type: ignore[operator]

    def call_later(self, delay_s: float, callback: object) -> StandingHandle:
        self.handles.append(StandingHandle(delay_s, callback))
        return self.handles[-1]


class StandingHandle:
    def __init__(self, delay_s: float, callback: object) -> None:
        self.delay_s = delay_s
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def test_it_ticks_by_itself_until_it_is_stopped() -> None:
    ticking, loop = Ticking(), StandingLoop()
    ticking.ticker.start(loop)  # type: ignore[arg-type]
    ticking.clock.advance(TICK_S)
    loop.handles[0].callback()  # type: ignore[operator]
    assert ticking.ticker.now == pytest.approx(TICK_S)
    assert [handle.delay_s for handle in loop.handles] == [TICK_S, TICK_S]
    ticking.ticker.stop()
    ticking.ticker.stop()
    assert loop.handles[1].cancelled


def started(items: list[Item]) -> tuple[Ticking, StandingLoop]:
    """A ticker on a loop, all of whose items are due with the first tick."""
    ticking, loop = Ticking(), StandingLoop()
    ticking.ticker.start(loop)  # type: ignore[arg-type]
    for item in items:
        ticking.wheel.arm(item, TICK_S)
    ticking.tick()
    return ticking, loop


def test_of_a_crowd_that_is_due_each_turn_looks_at_a_few_and_hears_others_between() -> None:
    items = [Item() for _ in range(2 * DUE_PER_TURN + 1)]
    _, loop = started(items)
    looked_at = []
    for _ in range(4):
        looked_at.append(sum(len(item.due_at) for item in items))
        loop.turn()
    assert looked_at == [0, DUE_PER_TURN, 2 * DUE_PER_TURN, 2 * DUE_PER_TURN + 1]
    assert loop.soon == []


def test_of_a_crowd_that_has_not_answered_each_turn_looks_at_a_few() -> None:
    ticking, loop = started([])
    loop.turn()
    items = [Item() for _ in range(2 * DUE_PER_TURN + 1)]
    for item in items:
        item.heartbeat.asked_at = ticking.ticker.now
        item.heartbeat.last_rx = 0.0
        ticking.ticker.expect(item)
    ticking.tick(times=11)
    looked_at = []
    for _ in range(4):
        looked_at.append(sum(len(item.due_at) for item in items))
        loop.turn()
    assert looked_at == [0, DUE_PER_TURN, 2 * DUE_PER_TURN, 2 * DUE_PER_TURN + 1]


def test_a_tick_does_not_begin_anew_while_the_crowd_of_the_last_is_looked_at() -> None:
    items = [Item() for _ in range(DUE_PER_TURN + 1)]
    ticking, loop = started(items)
    loop.turn()
    ticking.tick()
    assert len(loop.soon) == 1
    loop.turn()
    assert [len(item.due_at) for item in items] == [1] * len(items)


def test_once_it_is_stopped_nobody_is_looked_at() -> None:
    item = Item()
    ticking, loop = started([item])
    ticking.ticker.stop()
    loop.turn()
    assert item.due_at == []


def test_how_late_ticks_are_is_told_without_the_latest_of_all() -> None:
    ticking = Ticking()
    told = [ticking.ticker.lag_p95_s()]
    for late_s in (3.0, 0.2, 0.1):
        ticking.tick(TICK_S + late_s)
        told.append(ticking.ticker.lag_p95_s())
    assert told == pytest.approx([0.0, 0.0, 0.2, 0.2])
