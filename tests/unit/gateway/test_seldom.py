"""What a session has seldom is gone with it, whatever it had."""

from __future__ import annotations

import asyncio

from keepline.gateway.session import Session
from keepline.lifecycle.states import State
from keepline.messages import Alert, Hello
from keepline.wire.messages import DeviceMessage
from tests.unit.gateway.fakes import Life, Recorder, World, settle
from tests.waiting import eventually


class Waits(Recorder):
    """Begins a call that waits for what the test brings, and then says something that lasts."""

    brought: asyncio.Event

    async def text(  # type: ignore[override]
        self, session: Session, message: DeviceMessage
    ) -> None:
        session.send(Alert(status="Note", message="kept", emotion="neutral"))
        await self.brought.wait()


def tables(world: World) -> list[int]:
    seldom = world.node.seldom
    return [len(each) for each in (seldom.inboxes, seldom.deliveries, seldom.partings)]


def busy(world: World) -> Life:
    Waits.brought = asyncio.Event()
    life = world.connect("device-1", Hello(features={"ack": True}))
    life.says('{"type":"abort"}')
    life.says('{"type":"abort"}')
    return life


async def test_a_session_is_in_the_tables_while_it_has_something_and_in_none_when_idle() -> None:
    world = World(Waits, session={"idle_after_s": 5})
    assert tables(world) == [0, 0, 0]
    life = busy(world)
    await settle()
    assert tables(world) == [1, 1, 0]
    Waits.brought.set()
    await settle()
    assert tables(world) == [0, 1, 0]
    for _, text in life.transport.frames:
        if b'"message_id"' in text:
            named = text.partition(b'"message_id":"')[2].partition(b'"')[0].decode()
            life.says(f'{{"type":"ack","message_id":"{named}"}}')
    world.pass_time(6)
    assert life.connection.lifecycle.state is State.IDLE
    assert tables(world) == [0, 0, 0]


async def test_who_has_gone_is_in_no_table() -> None:
    world = World(Waits, session={"closed_timeout_s": 0.01})
    life = busy(world)
    life.loses_tcp()
    Waits.brought.set()
    await eventually(lambda: life.connection.lifecycle.state is State.CLOSED)
    assert tables(world) == [0, 0, 0]
