from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keepline.simulation.loop import MOST_CALLS, VirtualLoop
from keepline.simulation.timeline import BEGIN_S, Timeline

LONG_S = 3_600.0


class World:
    def __init__(self, **options: Any) -> None:
        self.timeline = Timeline()
        self.faults: list[dict[str, Any]] = []
        self.loop = VirtualLoop(self.timeline, self.faults.append, **options)  # type: ignore[abstract]
        self.seen: list[tuple[object, float]] = []

    def begin(self, work: Any) -> None:
        self.loop.enter(self.loop.create_task, work)

    def note(self, what: object = None) -> None:
        self.seen.append((what, self.timeline.now - BEGIN_S))

    def run(self, for_s: float) -> None:
        self.timeline.run(self.timeline.now + for_s, 10_000)


@pytest.fixture
def world() -> Any:
    made = World()
    yield made
    made.loop.kill()


def test_an_hour_of_sleep_takes_no_time(world: World) -> None:
    async def work() -> None:
        await asyncio.sleep(LONG_S)
        world.note("woken")

    world.begin(work())
    world.run(LONG_S)
    assert world.seen == [("woken", LONG_S)]
    assert not world.loop.tasks
    assert not world.loop.timers


def test_a_timeout_of_asyncio_is_in_virtual_time(world: World) -> None:
    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG_S):
                await asyncio.Event().wait()
        world.note("late")

    world.begin(work())
    world.run(2 * LONG_S)
    assert world.seen == [("late", LONG_S)]


def test_a_timer_that_was_cancelled_is_not_called_and_not_kept(world: World) -> None:
    timer = world.loop.call_later(1.0, world.note)
    assert timer in world.loop.timers
    timer.cancel()
    assert not world.loop.timers
    world.run(2.0)
    assert world.seen == []


def test_a_stall_has_everything_come_late_and_at_once(world: World) -> None:
    world.loop.call_later(1.0, world.note, "timer")
    world.loop.stall(3.0)
    world.loop.read_when_free(lambda: world.note("read"))
    world.run(5.0)
    assert world.seen == [("timer", 3.0), ("read", 3.0)]
    assert world.loop.stalled_s(BEGIN_S + 2.0) == 1.0
    assert world.loop.stalls_since(BEGIN_S + 2.0) == 1
    assert world.loop.stalls_since(BEGIN_S + 3.0) == 0


def test_what_the_kernel_has_can_come_before_late_timers() -> None:
    world = World(timers_first=False)
    world.loop.call_later(1.0, world.note, "timer")
    world.loop.stall(3.0)
    world.loop.read_when_free(lambda: world.note("read"))
    world.run(5.0)
    assert [what for what, _ in world.seen] == ["read", "timer"]
    world.loop.kill()


def test_where_turns_take_time_others_come_in_between() -> None:
    world = World(turn_s=0.01)

    def first() -> None:
        world.loop.call_soon(world.note, "next turn")
        world.note("first")

    world.loop.enter(first)
    world.loop.enter(world.note, "in between")
    world.run(1.0)
    assert [what for what, _ in world.seen] == ["first", "next turn", "in between"]
    world.loop.kill()


def test_a_loop_that_never_comes_to_rest_is_told_so(world: World) -> None:
    def again() -> None:
        world.loop.call_soon(again)

    with pytest.raises(RuntimeError, match=str(MOST_CALLS)):
        world.loop.enter(again)


def test_what_nobody_catches_is_told(world: World) -> None:
    def fails() -> None:
        raise ValueError("no")

    world.loop.call_soon(fails)
    world.loop.enter(world.note)
    [fault] = world.faults
    assert repr(fault["exception"]) == "ValueError('no')"


def test_of_a_killed_loop_nothing_goes_on(world: World) -> None:
    async def work() -> None:
        await asyncio.sleep(LONG_S)
        world.note("lived on")

    async def held(inner: Any) -> None:
        await inner

    world.begin(work())
    world.loop.call_soon(world.note, "soon")
    world.loop.create_task(held(work()))  # not begun: what it was to await must not be left over
    world.loop.kill()
    world.loop.call_later(1.0, world.note, "later")
    world.loop.enter(world.note, "entered")
    world.run(2 * LONG_S)
    assert world.seen == []
    assert not world.loop.timers
    assert not world.loop.tasks
