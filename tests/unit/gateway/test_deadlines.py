from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from keepline.gateway.deadlines import Deadline, Deadlines


class Handle:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class MovedLoop:
    """What deadlines use of a loop, in time that is moved by hand."""

    def __init__(self) -> None:
        self._now = 0.0
        self._handles: list[Handle] = []

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        self._handles.append(Handle(when, callback))
        return self._handles[-1]

    @property
    def timers(self) -> int:
        return sum(not handle.cancelled for handle in self._handles)

    async def advance(self, by_s: float) -> None:
        await self.settle()
        self._now += by_s
        due = [each for each in self._handles if each.when <= self._now]
        self._handles = [each for each in self._handles if each.when > self._now]
        for handle in due:
            if not handle.cancelled:
                handle.callback()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def moved() -> MovedLoop:
    return MovedLoop()


@pytest.fixture
def deadlines(moved: MovedLoop) -> Deadlines:
    return Deadlines(cast("asyncio.AbstractEventLoop", moved), 10.0)


class Task:
    """A task that waits under a deadline until it is told to be done."""

    deadline: Deadline

    def __init__(self, deadlines: Deadlines) -> None:
        self.end = ""
        self.done = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run(deadlines))

    async def _run(self, deadlines: Deadlines) -> None:
        try:
            with deadlines.begin() as self.deadline:
                await self.done.wait()
            self.end = "done"
        except TimeoutError:
            self.end = "late"
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise


async def test_who_is_not_done_in_time_gets_a_timeout_error(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    first = Task(deadlines)
    await moved.advance(4.0)
    second = Task(deadlines)
    await moved.advance(5.9)
    assert (first.end, second.end) == ("", "")
    await moved.advance(0.2)
    assert (first.end, second.end) == ("late", "")
    await moved.advance(4.0)
    assert second.end == "late"
    assert (len(deadlines), moved.timers) == (0, 0)


async def test_who_is_done_in_time_is_forgotten_and_no_timer_is_left(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    tasks = [Task(deadlines) for _ in range(3)]
    await moved.advance(1.0)
    assert (len(deadlines), moved.timers) == (3, 1)
    for task in tasks:
        task.done.set()
    await moved.settle()
    assert [task.end for task in tasks] == ["done"] * 3
    assert (len(deadlines), moved.timers) == (0, 0)


async def test_one_can_have_a_shorter_time_than_the_others(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    usual, other = Task(deadlines), Task(deadlines)
    await moved.settle()
    other.deadline.reschedule(other.deadline.when() - 8.0)
    await moved.advance(2.0)
    assert (usual.end, other.end) == ("", "late")


async def test_one_can_have_a_longer_time_than_the_others_and_have_it_changed_again(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    usual, other = Task(deadlines), Task(deadlines)
    await moved.settle()
    other.deadline.reschedule(other.deadline.when() + 5.0)
    other.deadline.reschedule(other.deadline.when() + 15.0)
    await moved.advance(29.9)
    assert (usual.end, other.end) == ("late", "")
    await moved.advance(0.2)
    assert other.end == "late"


async def test_a_device_is_kept_waiting_no_longer_than_it_has_patience(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    task = Task(deadlines)
    await moved.settle()
    assert [task.deadline.put_off(wait_s) for wait_s in (8.0, 5.0, 1.0)] == [8.0, 1.0, 0.0]
    assert (task.deadline.waited_s, task.deadline.patience_s) == (9.0, 0.0)
    await moved.advance(18.9)
    assert task.end == ""
    await moved.advance(0.2)
    assert task.end == "late"


async def test_who_is_done_at_a_time_of_its_own_leaves_no_timer(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    task = Task(deadlines)
    await moved.settle()
    task.deadline.reschedule(task.deadline.when() + 20.0)
    task.done.set()
    await moved.settle()
    assert task.end == "done"
    assert moved.timers == 0


async def test_who_is_cancelled_by_somebody_else_stays_cancelled(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    task = Task(deadlines)
    await moved.settle()
    task.task.cancel()
    await moved.settle()
    assert task.end == "cancelled"
    assert (len(deadlines), moved.timers) == (0, 0)


async def test_who_is_cancelled_in_the_moment_of_its_deadline_stays_cancelled(
    moved: MovedLoop, deadlines: Deadlines
) -> None:
    task = Task(deadlines)
    await moved.settle()
    task.deadline.expire()
    task.task.cancel()
    await moved.settle()
    assert task.end == "cancelled"
