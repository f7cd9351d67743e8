"""Time that is moved: deadlines in their order, threads waited for as long as they move."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from keepline import Handler
from keepline.messages import Listen, Stt
from keepline.testing import Stage, moved_time
from keepline.testing.moved_time import THREAD_GRACE_S, CountedThreads, MovedTime


@pytest.fixture
async def moved() -> Any:
    time = MovedTime()
    time.start()
    yield time
    time.stop()


async def test_deadlines_come_in_their_order_each_at_its_own_time(moved: MovedTime) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    came: list[tuple[str, float]] = []

    def note(name: str) -> None:
        came.append((name, round(loop.time() - began, 6)))

    loop.call_later(2, note, "second")
    loop.call_later(1, note, "first")
    loop.call_later(1.5, note, "cancelled").cancel()
    loop.call_later(3.001, note, "later")
    await moved.advance(3)
    assert came == [("first", 1), ("second", 2)]
    assert loop.time() - began == pytest.approx(3)


async def test_the_wall_clock_moves_along(moved: MovedTime) -> None:
    before = moved.clock.wall()
    await moved.advance(60)
    assert moved.clock.wall() - before == pytest.approx(60)


class Blocking(Handler[Any]):
    threaded = True
    release = threading.Event()

    def text(self, session: Any, message: Any) -> None:
        match message.text:
            case "quick":
                session.send(Stt("done"))
            case "tool":
                session.send(Stt(session.call_tool("volume").text))
            case "stuck":
                self.release.wait(5)
                session.send(Stt("free"))


@pytest.fixture
def release() -> Iterator[threading.Event]:
    Blocking.release.clear()
    yield Blocking.release
    Blocking.release.set()


async def test_a_handler_in_a_thread_is_waited_for() -> None:
    async with Stage(Blocking) as device:
        device.tools = {"volume": 7}
        for text, expected in (("quick", "done"), ("tool", "7")):
            device.say(Listen(state="detect", text=text))
            await device.advance(0)
            assert device.heard[-1] == Stt(expected)


async def test_a_thread_that_does_not_move_is_left_alone_until_it_does(
    release: threading.Event,
) -> None:
    async with Stage(Blocking) as device:
        device.say(Listen(state="detect", text="stuck"))
        await device.advance(1)
        assert device.heard == []
        release.set()
        await device.advance(0)
        assert device.heard == [Stt("free")]


async def test_what_a_thread_has_found_has_come_to_the_loop(
    moved: MovedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    tell = loop.call_soon_threadsafe

    def tell_late(*told: Any, **how: Any) -> asyncio.Handle:
        threading.Event().wait(0.02)
        return tell(*told, **how)

    monkeypatch.setattr(loop, "call_soon_threadsafe", tell_late)
    goes_on = threading.Event()
    found = loop.run_in_executor(moved.threads, goes_on.wait, 5)
    loop.call_soon(goes_on.set)  # by then somebody waits for it
    await moved.settle()
    assert found.result()


async def test_a_thread_that_begins_late_is_waited_for(
    moved: MovedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = threading.Thread.run

    def run_late(thread: threading.Thread) -> None:
        threading.Event().wait(3 * THREAD_GRACE_S)
        run(thread)

    monkeypatch.setattr(threading.Thread, "run", run_late)
    found = asyncio.get_running_loop().run_in_executor(moved.threads, lambda: 7)
    await moved.settle()
    assert found.result() == 7


async def test_what_a_thread_raises_is_raised_and_what_has_not_begun_can_be_cancelled(
    moved: MovedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(moved_time, "MOST_THREADS", 1)
    threads, goes_on = CountedThreads(), threading.Event()
    failing = loop.run_in_executor(threads, lambda: goes_on.wait(5) and 1 / 0)
    cancelled, forgotten = (loop.run_in_executor(threads, lambda: 7) for _ in range(2))
    cancelled.cancel()
    threads.shutdown(wait=False, cancel_futures=True)
    goes_on.set()
    with pytest.raises(ZeroDivisionError):
        await failing
    with pytest.raises(asyncio.CancelledError):
        await forgotten
