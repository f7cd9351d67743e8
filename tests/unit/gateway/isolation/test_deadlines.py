"""A call that hangs, in moved time: below, at and above its limit."""

from __future__ import annotations

import asyncio
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from keepline import Handler, Session
from keepline.errors import HandlerTimeoutError
from keepline.gateway.isolation.deadlines import Deadlines
from keepline.histogram import Histogram
from keepline.messages import Listen, Stt
from keepline.reasons import CloseReason
from keepline.testing import Stage
from tests.unit.gateway.fakes import Recorder

LIMIT_S = 120.0
LOOK_S = 1.0  # the looks are a second apart
FRAME = b"opus"


class Waits(Recorder):
    """Awaits as many seconds as it is told."""

    async def text(self, session: Session, message: Any) -> None:  # type: ignore[override]
        await asyncio.sleep(float(message.text))
        session.send(Stt("done"))


def said(text: object) -> Listen:
    return Listen(state="detect", text=str(text))


async def test_a_call_that_takes_all_its_time_is_left_alone() -> None:
    async with Stage(Waits) as device:
        device.say(said(LIMIT_S - 0.1))
        await device.advance(LIMIT_S + 5)
        assert device.heard == [Stt("done")]


async def test_a_call_that_takes_longer_is_cut_and_its_session_ended() -> None:
    stage = Stage(Waits, raises=False)
    async with stage as device:
        device.say(said(LIMIT_S + 60))
        await device.advance(LIMIT_S + 2 * LOOK_S)
        assert device.heard == []
        await device.advance(10.0)
        assert stage.node.counters.disconnects[CloseReason.HANDLER_TIMEOUT] == 1
    [failure] = stage.failures
    assert isinstance(failure, HandlerTimeoutError)
    assert len(stage.node.isolation.deadlines) == 0


async def test_how_long_a_call_took_is_counted_whether_it_came_to_an_end_or_was_cut() -> None:
    stage = Stage(Waits, raises=False)
    async with stage as device:
        for seconds in (0.3, 4, LIMIT_S + 60):
            device.say(said(seconds))
            await device.advance(min(seconds, LIMIT_S) + 2 * LOOK_S)
    took = stage.node.counters.calls
    buckets = {
        bound: count for bound, count in zip(took.bounds, took.counts, strict=False) if count
    }
    assert buckets == {0.5: 1, 5.0: 1}
    assert (took.counts[-1], sum(took.counts)) == (1, 3)  # beyond the last bound
    assert took.sum == pytest.approx(0.3 + 4 + LIMIT_S + LOOK_S, abs=LOOK_S)


async def test_a_test_of_a_handler_is_told_that_a_call_hangs() -> None:
    async with Stage(Waits) as device:
        device.say(said(LIMIT_S * 2))
        with pytest.raises(HandlerTimeoutError, match=r"Waits\.text has taken 120 s"):
            await device.advance(LIMIT_S + 2 * LOOK_S)


async def test_the_call_is_cancelled_at_once_and_not_when_its_session_has_been_closed() -> None:
    cancelled: list[bool] = []

    class Notes(Handler):
        async def text(self, session: Session, message: Any) -> None:
            try:
                await asyncio.sleep(LIMIT_S * 2)
            finally:
                cancelled.append(True)

    async with Stage(Notes, raises=False) as device:
        device.say(said("anything"))
        await device.advance(LIMIT_S + LOOK_S)
        assert cancelled == [True]


async def test_its_last_call_is_made_all_the_same_and_the_waiting_ones_are_not() -> None:
    handlers: list[Waits] = []

    def make() -> Waits:
        handlers.append(Waits())
        return handlers[-1]

    async with Stage(make, raises=False) as device:
        device.say(said(LIMIT_S * 2))
        device.say(said(0))
        await device.advance(LIMIT_S + 10)
    assert handlers[0].names == ["opened", "closed"]
    assert handlers[0].calls[-1] == ("closed", CloseReason.HANDLER_TIMEOUT)


class Talks(Handler):
    """Speaks for as many seconds as it is told, and awaits that it was heard."""

    async def text(self, session: Session, message: Any) -> None:
        await session.speak([FRAME] * round(float(message.text) / 0.06))
        await asyncio.sleep(LIMIT_S - 10)
        session.send(Stt("done"))


async def test_while_it_is_heard_the_time_of_a_call_stands_still() -> None:
    async with Stage(Talks) as device:
        device.say(said(200))
        await device.advance(200 + LIMIT_S)
        assert device.heard[-1] == Stt("done")


def test_a_speech_that_stopped_is_ended_in_time_whoever_began_after_it() -> None:
    class Stand:
        """A session, as far as it is looked at: heard until the ninth second, or never."""

        lifecycle = SimpleNamespace(reason=None)
        connection = property(lambda self: self)

        def __init__(self, heard_until: float) -> None:
            self.heard_until = heard_until

        def heard_for_s(self) -> float:
            return self.heard_until - now

        def where(self) -> str:
            return ""

        def cancel_call(self) -> None:
            ended.append(self)

    now = 0.0
    ended: list[Any] = []
    faults: Any = SimpleNamespace(of_handler=lambda *_: None)
    deadlines = Deadlines(faults, 10.0, Histogram((1.0,)))
    speaks: Any = Stand(9.0)
    waits: Any = Stand(-inf)
    deadlines.begin(speaks, print, 0.0)
    deadlines.begin(waits, print, 9.9)
    for now in (10.0, 18.9):
        deadlines.each_second(now)
        assert ended == []
    now = 19.0
    deadlines.each_second(now)
    assert ended == [speaks]


def test_a_call_that_begins_ends_the_one_before_it() -> None:
    nobody: Any = None
    took = Histogram((1.0, 5.0))
    deadlines = Deadlines(nobody, 10.0, took)
    for began in (0.0, 3.0):
        deadlines.begin(nobody, print, began)
    assert (took.sum, len(deadlines)) == (3.0, 1)


async def test_two_sessions_have_a_time_of_their_own_each() -> None:
    stage = Stage(Waits, raises=False)
    async with stage as one:
        one.say(said(LIMIT_S * 3))
        await one.advance(60)
        other = await stage.enter("02:00:00:00:00:02")
        other.say(said(LIMIT_S - 1))
        await one.advance(LIMIT_S)
        assert other.heard == [Stt("done")]
    assert len(stage.failures) == 1


async def test_an_idle_session_and_a_plain_call_are_not_looked_at() -> None:
    stage = Stage(Recorder)
    async with stage as device:
        device.say(said("hello"))
        await device.advance(1.0)
        assert len(stage.node.isolation.deadlines) == 0
