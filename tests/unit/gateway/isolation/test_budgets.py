"""A session's budgets, below, at and above each."""

from __future__ import annotations

import asyncio

import pytest

from keepline.errors import BudgetError
from keepline.gateway.session import Session
from keepline.reasons import CloseReason
from keepline.wire.messages import Stt
from tests.unit.gateway.fakes import Recorder, World

LIMITS = {"tasks": 3, "timers": 3, "sends_per_s": 3}


def called(session: Session) -> None:
    pass


async def test_a_session_may_have_as_many_tasks_as_it_may_and_not_one_more() -> None:
    world = World(isolation=LIMITS)
    session = world.connect().session
    for _ in range(3):
        session.spawn(asyncio.sleep(3_600))
    assert session.connection.lifecycle.reason is None
    with pytest.raises(BudgetError, match=r"3 tasks under way \(isolation\.tasks\)"):
        session.spawn(asyncio.sleep(3_600))
    assert session.connection.lifecycle.reason is CloseReason.HANDLER_OVER_BUDGET
    assert len(session.beside().tasks) == 3


async def test_tasks_that_have_ended_make_room() -> None:
    world = World(isolation=LIMITS)
    session = world.connect().session
    for _ in range(20):
        session.spawn(asyncio.sleep(0))
        await asyncio.gather(*session.beside().tasks)
    assert session.connection.lifecycle.reason is None


async def test_a_session_may_have_as_many_timers_as_it_may_and_not_one_more() -> None:
    world = World(isolation=LIMITS)
    session = world.connect().session
    timers = [session.after(3_600, called) for _ in range(3)]
    timers[0].cancel()
    session.after(3_600, called)
    with pytest.raises(BudgetError, match="timers"):
        session.after(3_600, called)
    assert session.connection.lifecycle.reason is CloseReason.HANDLER_OVER_BUDGET


async def test_a_session_may_send_so_much_in_a_second_and_again_in_the_next() -> None:
    world = World(isolation=LIMITS)
    life = world.connect()
    for _ in range(3):
        life.session.send(Stt("one"))
    world.node.each_second()
    for _ in range(3):
        life.session.send_text("{}")
    assert life.connection.lifecycle.reason is None
    with pytest.raises(BudgetError, match="sends_per_s"):
        life.session.send(Stt("one too many"))
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_OVER_BUDGET


async def test_who_catches_it_is_stopped_again_and_the_other_session_goes_on() -> None:
    world = World(isolation=LIMITS)
    one, other = world.connect("one").session, world.connect("other").session
    for attempt in range(6):
        try:
            one.send(Stt("and so on"))
        except BudgetError:
            assert attempt >= 3
    other.send(Stt("hello"))
    assert other.connection.lifecycle.reason is None


async def test_what_one_that_has_gone_sent_is_not_charged_to_who_gets_its_place_in_memory() -> None:
    world = World(isolation=LIMITS)
    life = world.connect()
    for _ in range(3):
        life.session.send(Stt("and so on"))
    life.connection.connection_lost(None)
    assert not world.node.isolation.budgets._sends


async def test_packets_that_had_to_go_are_charged_and_those_that_wait_are_not() -> None:
    world = World(isolation=LIMITS, outbox={"audio_frames": 4})
    life = world.connect()
    for _ in range(6 + 4 + 3):  # gone, waiting, dropped
        life.session.send_audio(b"opus")
    assert life.connection.lifecycle.reason is None
    with pytest.raises(BudgetError):
        life.session.send_audio(b"opus")


async def test_a_device_s_own_pings_are_charged_to_nobody() -> None:
    world = World(isolation=LIMITS)
    life = world.connect()
    for _ in range(20):
        life.says('{"type":"ping"}')
    assert life.connection.lifecycle.reason is None


async def test_an_ending_by_budget_is_told_with_its_place() -> None:
    class Spawning(Recorder):
        def opened(self, session: Session) -> None:
            for _ in range(4):
                session.after(3_600, called)

    world = World(Spawning, isolation=LIMITS)
    world.connect()
    [line] = world.logged("handler_failed")
    assert "test_budgets.py:" in line["at"]
    assert line["call"].endswith("Spawning.opened")
