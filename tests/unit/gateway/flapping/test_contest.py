from __future__ import annotations

import asyncio

import pytest

from keepline.gateway.flapping.contest import MOST_S, is_heard, may_answer, patience_s
from keepline.lifecycle.heartbeat import MUTE, PINGED, PROBED
from keepline.reasons import CloseReason
from tests.unit.gateway.drain.leaving import Leaving
from tests.unit.gateway.fakes import Life, World, settle
from tests.unit.gateway.virtual_time import pass_time, virtual


def answered_in(life: Life, rtt_s: float) -> None:
    heartbeat = life.connection.heartbeat
    payload = life.connection.node.judge.ping_payload(heartbeat, 0.0)
    heartbeat.receive_pong(payload, rtt_s)


@pytest.mark.parametrize(
    ("means", "rtt_s", "within_s"),
    [(PINGED, 0.05, 1.2), (PINGED, 0.5, 1.7), (PINGED, 30.0, MOST_S + 0.2), (PROBED, 0.05, 4.2)],
)
async def test_a_holder_is_given_as_long_as_its_answers_take_within_a_bound(
    means: int, rtt_s: float, within_s: float
) -> None:
    life = World().connect()
    life.connection.heartbeat.means = means
    answered_in(life, rtt_s)
    assert patience_s(life.session) == pytest.approx(within_s)


async def test_while_our_own_loop_is_unwell_a_holder_is_given_more() -> None:
    world = World()
    life = world.connect()
    world.node.judge.stretch = 2.0
    assert patience_s(life.session) == pytest.approx(2.2)


async def test_of_one_that_answers_nothing_silence_tells_nothing() -> None:
    life = World().connect()
    assert may_answer(life.session)
    life.connection.heartbeat.means = MUTE
    assert not may_answer(life.session)


@virtual
async def test_what_was_heard_before_it_was_asked_is_no_answer() -> None:
    world = Leaving()
    life = world.connect()
    life.pings()
    assert not await is_heard(life.session, 1.0)
    assert world.passed_s == pytest.approx(1.0, abs=0.11)


@virtual
async def test_one_that_is_asked_already_is_asked_once() -> None:
    world = Leaving()
    life = world.connect()
    both = [asyncio.ensure_future(is_heard(life.session, 0.9)) for _ in range(2)]
    await settle()
    assert await asyncio.gather(*both) == [False, False]
    assert world.counters.pings_sent == 1


@virtual
async def test_one_that_we_do_not_listen_to_is_there() -> None:
    world = Leaving()
    life = world.connect()
    life.connection.pause_receiving()
    assert await is_heard(life.session, 1.0)
    assert world.passed_s == 0


@virtual
async def test_one_that_we_begin_not_to_listen_to_while_it_is_asked_is_there() -> None:
    world = Leaving()
    life = world.connect()
    world.node.loop.call_later(0.5, life.connection.pause_receiving)
    assert await is_heard(life.session, 1.0)
    assert world.passed_s < 0.8


@virtual
async def test_of_those_that_do_not_read_one_that_has_stopped_for_good_is_not_there() -> None:
    world = Leaving(outbox={"stuck_after_s": 5})
    life = world.connect()
    life.connection.pause_writing()
    assert await is_heard(life.session, 1.0)
    outbox = life.connection.outbox
    assert outbox is not None
    outbox.begin_anew(now=world.node.ticker.now - 5, buffered_bytes=0)
    assert not await is_heard(life.session, 1.0)


@virtual
async def test_one_that_is_closing_is_not_asked_and_keeps_its_time_for_that() -> None:
    world = Leaving()
    life = world.connect()
    life.session.close(CloseReason.KICKED)
    bound = life.connection.wheel_tick
    assert not await is_heard(life.session, 1.0)
    assert life.connection.wheel_tick == bound
    await pass_time(0.3)
    assert not life.transport.aborted
