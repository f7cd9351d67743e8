"""Time that is moved: deadlines in their order, threads waited for as long as they move."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from keepline import Handler
from keepline.messages import Listen, Stt
from keepline.testing import Stage
from keepline.testing.moved_time import MovedTime


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
