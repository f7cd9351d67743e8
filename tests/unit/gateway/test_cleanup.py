from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from keepline.gateway import cleanup as cleanup_module
from keepline.gateway.cleanup import STEPS
from keepline.gateway.isolation.parting import Gone
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import Recorder, World, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.gateway.connection import Connection
    from keepline.gateway.session import Session

    Step = Callable[[Connection], Awaitable[None] | None]

NAMES = [step.__name__ for step in STEPS]


class Goodbye(Recorder):
    """Needs a turn of the loop to end."""

    async def closed(self, session: Session, reason: CloseReason) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().closed(session, reason)


def broken_at(name: str, *, late: bool) -> tuple[tuple[Step, ...], list[str]]:
    """Return the steps with one that raises, at once or when awaited, and what was begun."""
    begun: list[str] = []

    def watched(step: Step) -> Step:
        def run(connection: Connection) -> Awaitable[None] | None:
            begun.append(step.__name__)
            if step.__name__ != name:
                return step(connection)
            if late:
                return fail()
            raise RuntimeError(name)

        return run

    async def fail() -> None:
        raise RuntimeError(name)

    return tuple(watched(step) for step in STEPS), begun


@pytest.mark.parametrize("when", ["at once", "when awaited"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_fault_in_a_step_does_not_stop_the_next(
    name: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, begun = broken_at(name, late=when == "when awaited")
    monkeypatch.setattr(cleanup_module, "STEPS", steps)
    world = World()
    life = world.connect()
    life.loses_tcp()
    await settle()
    assert begun == NAMES
    assert world.counters.cleanup_failures == 1
    assert len(world.logged("cleanup_step_failed")) == 1
    assert life.connection.lifecycle.state is State.CLOSED
    assert not world.node.cleanups


@pytest.mark.parametrize("name", NAMES)
async def test_every_other_step_has_done_its_part(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, _ = broken_at(name, late=False)
    monkeypatch.setattr(cleanup_module, "STEPS", steps)
    world = World()
    gone: list[Gone] = []
    world.node.isolation.callbacks.add(gone.append)
    life = world.connect()
    life.connection.address = world.node.arrivals.addresses.enter("192.0.2.7", 0.0)
    life.connection.pause_writing()
    life.loses_tcp()
    did = {
        "cancel_deadline": world.node.wheel.armed == 0,
        "end_receiver": life.handler.names == ["opened", "closed"],
        "drop_outbox": life.connection.outbox is None,
        "release_claim": len(world.node.registry) == 0,
        "leave_address": len(world.node.arrivals.addresses) == 0,
        "account": world.counters.disconnects[CloseReason.DEVICE_CLOSED] == 1,
        "tell_gone": [each.device_id for each in gone] == ["device-1"],
        "part": life.connection.receiver is not life.session,
    }
    assert [step for step, done in did.items() if not done] == [name]


async def test_a_lost_connection_is_cleaned_up_once_whatever_comes_later() -> None:
    world = World()
    life = world.connect()
    life.session.close()
    life.loses_tcp()
    life.connection.connection_lost(None)
    life.session.close()
    life.connection.on_due(world.node.ticker.now)
    assert life.handler.names == ["opened", "closed"]
    assert sum(world.counters.disconnects.values()) == 1


async def test_dropping_tcp_ourselves_cleans_up_once_too() -> None:
    world = World()
    life = world.connect()
    life.session.close()
    world.pass_time(1.2)
    assert life.transport.aborted
    life.loses_tcp()  # as the loop tells it afterwards
    assert life.handler.names == ["opened", "closed"]
    assert world.counters.disconnects[CloseReason.HANDLER_CLOSED] == 1


async def test_a_cleanup_that_has_to_wait_is_a_task_that_is_held() -> None:
    world = World(Goodbye)
    life = world.connect()
    life.loses_tcp()
    assert len(world.node.cleanups) == 1
    assert len(world.node.registry) == 1
    await asyncio.gather(*world.node.cleanups)
    await settle()
    assert life.handler.names == ["opened", "closed"]
    assert not world.node.cleanups
    assert len(world.node.registry) == 0


async def test_a_late_cleanup_cannot_touch_the_newer_connection() -> None:
    world = World(Goodbye)
    old = world.connect("device")
    new = world.connect("device")
    assert old.connection.lifecycle.reason is CloseReason.REPLACED
    assert old.transport.close_code == 4001
    old.loses_tcp()
    await settle()
    assert old.handler.names == ["opened", "closed"]
    assert world.node.registry.by_device("device") is new.session
    assert new.connection.lifecycle.reason is None
    assert world.counters.takeovers == 1


async def test_what_has_gone_needs_no_collector_to_be_freed() -> None:
    world = World()
    gc.collect()
    gc.disable()
    try:
        life = world.connect()
        life.says('{"type":"listen","state":"start"}')
        life.connection.pause_writing()
        handler = weakref.ref(life.handler)
        life.loses_tcp()
        del life
        world.pass_time(20.0)  # the wheel forgets stale entries when their turn comes
        assert handler() is None
    finally:
        gc.enable()
