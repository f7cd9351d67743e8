from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keepline.errors import ReplacedError
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World

if TYPE_CHECKING:
    from keepline.gateway.session import Session


def fails(session: Session, *arguments: object) -> None:
    raise RuntimeError("the application's own mistake")


async def fails_late(session: Session) -> None:
    raise RuntimeError("the application's own mistake")


async def is_cancelled_inside(session: Session) -> None:
    inner: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    inner.cancel()
    await inner


async def test_a_call_that_returns_nothing_leaves_nothing_to_await() -> None:
    world = World()
    life = world.connect()
    seen: list[object] = []
    assert world.node.fence.call(life.session, lambda *given: seen.append(given), 1, "two") is None
    assert seen == [(life.session, 1, "two")]


async def test_a_failure_ends_its_session_and_is_counted_and_logged() -> None:
    world = World()
    life = world.connect()
    assert world.node.fence.call(life.session, fails) is None
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert life.transport.close_code == 1011
    assert world.counters.handler_failures == 1
    (line,) = world.logged("handler_failed")
    assert line["call"] == "fails"
    assert line["device_id"] == "device-1"
    assert "the application's own mistake" in line["error"]


async def test_a_coroutine_that_fails_does_the_same() -> None:
    world = World()
    life = world.connect()
    rest = world.node.fence.call(life.session, fails_late)
    assert rest is not None
    await world.node.fence.wait(life.session, fails_late, rest)
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED


async def test_a_plain_call_that_meets_a_cancelled_future_fails_like_any_other() -> None:
    def takes(session: Session) -> None:
        inner: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        inner.cancel()
        inner.result()

    world = World()
    life = world.connect()
    assert world.node.fence.call(life.session, takes) is None
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED


async def test_another_session_does_not_notice() -> None:
    world = World()
    one, other = world.connect("one"), world.connect("other")
    world.node.fence.call(one.session, fails)
    assert other.connection.lifecycle.reason is None
    assert other.transport.close_code is None


async def test_our_own_cancellation_passes_through_and_is_no_failure() -> None:
    world = World()
    life = world.connect()
    started = asyncio.Event()

    async def waits(session: Session) -> None:
        started.set()
        await asyncio.Event().wait()

    rest = world.node.fence.call(life.session, waits)
    assert rest is not None
    task = asyncio.ensure_future(world.node.fence.wait(life.session, waits, rest))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.counters.handler_failures == 0


async def test_a_handler_that_awaits_something_cancelled_has_failed() -> None:
    world = World()
    life = world.connect()
    rest = world.node.fence.call(life.session, is_cancelled_inside)
    assert rest is not None
    await world.node.fence.wait(life.session, is_cancelled_inside, rest)
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED


def leaves(session: Session) -> None:
    raise SystemExit(1)


async def leaves_late(session: Session) -> None:
    raise SystemExit(1)


async def test_a_handler_that_calls_exit_ends_its_session_and_not_the_process() -> None:
    world = World()
    one, other = world.connect("one"), world.connect("other")
    assert world.node.fence.call(one.session, leaves) is None
    await world.node.fence.wait(other.session, leaves_late, leaves_late(other.session))
    for life in (one, other):
        assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert world.counters.handler_failures == 2


async def test_a_save_that_a_takeover_overtook_is_no_failure() -> None:
    def saves(session: Session) -> None:
        raise ReplacedError("one is held by a newer session")

    world = World()
    life = world.connect()
    world.node.fence.call(life.session, saves)
    assert life.connection.lifecycle.reason is CloseReason.REPLACED
    assert world.counters.handler_failures == 0
