"""A node as its hub sees it."""

from __future__ import annotations

import asyncio

import pytest

from keepline.errors import CommandError, NotConnectedError
from keepline.gateway.holder import NodeHolder
from keepline.hub.port import NodeView, Outcome, Whereabouts
from keepline.reasons import CloseReason
from keepline.wire.messages import Alert
from tests.unit.gateway.fakes import World, settle
from tests.unit.gateway.test_endings import ends_of
from tests.unit.gateway.test_memory import Keeping, come
from tests.waiting import PATIENCE_S, within

CUSTOM = b'{"type":"custom","payload":{"a":[1]}}'


async def test_a_command_is_sent_as_it_is() -> None:
    world = World()
    life = world.connect("one")
    assert await NodeHolder(world.node, "n").command("one", CUSTOM) == b""
    assert life.transport.frames[-1][1] == CUSTOM


async def test_a_command_for_who_is_not_here_or_leaving_fails_at_once() -> None:
    world = World()
    holder = NodeHolder(world.node, "n")
    with pytest.raises(NotConnectedError, match="one is not connected"):
        await holder.command("one", CUSTOM)
    world.connect("one").session.close(CloseReason.KICKED)
    with pytest.raises(NotConnectedError):
        await holder.command("one", CUSTOM)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"\xff", "UTF-8"),
        (b"", "no device understands"),
        (b"{}", "no device understands"),
        (b'{"type":"alert","status":"s"}', "missing required field"),
        (b'{"type":"listen","state":"start"}', "sent the type 'listen'; there are alert, custom"),
        (b'{"type":"hello"}', "sent the type 'hello'"),
        (b'{"type":"' + b"x" * 500 + b'"}', "'" + "x" * 40 + "';"),
    ],
)
async def test_what_no_device_understands_is_sent_to_none(payload: bytes, words: str) -> None:
    world = World()
    life = world.connect("one")
    with pytest.raises(CommandError) as error:
        await NodeHolder(world.node, "n").command("one", payload)
    assert words in str(error.value)
    assert len(life.heard) == 1


async def test_a_device_that_is_given_up_leaves_all_it_has_and_is_told_replaced() -> None:
    world = World(Keeping)
    life = await come(world)
    life.connection.pause_writing()
    life.session.send(Alert(status="status", message="message", emotion="happy"))
    await NodeHolder(world.node, "n").give_up("Device-1")
    assert life.transport.close_code == 4001
    assert life.session not in world.node.registry
    later = await world.hub.claim("device-1", "session-2")
    assert later.outcome is Outcome.RESUMED
    record = world.node.memory.recollect(later)
    assert record is not None
    assert record.snapshot == b"state"
    assert len(record.undelivered) == 1


async def test_a_device_that_was_given_up_is_not_given_back_again_when_it_has_left() -> None:
    world = World(Keeping)
    life = await come(world)
    await NodeHolder(world.node, "n").give_up("device-1")
    heir = await world.hub.claim("device-1", "session-2")
    await world.hub.save(heir, b"newer")
    life.loses_tcp()
    await settle()
    assert (await world.hub.claim("device-1", "session-3")).state == b"newer"


async def test_a_device_that_is_leaving_is_not_waited_for_when_it_is_elsewhere_already() -> None:
    world = World(Keeping)
    life = await come(world)
    life.session.close(CloseReason.SERVER_SHUTDOWN)  # and its firmware keeps the connection
    giving_up = asyncio.ensure_future(NodeHolder(world.node, "n").give_up("device-1"))
    await settle()
    assert life.transport.aborted
    life.loses_tcp()
    await giving_up
    assert (await world.hub.claim("device-1", "session-2")).outcome is Outcome.RESUMED
    (ending,) = await ends_of(world, "device-1")
    assert ending["steps"][-1]["event"] == "close_due"  # it did not hang up: we did


async def test_a_handler_that_gives_no_snapshot_holds_a_device_up_no_longer_than_its_bound() -> (
    None
):
    class Dawdles(Keeping):
        async def snapshot(self) -> bytes:  # type: ignore[override]
            await asyncio.Event().wait()
            return b""

    world = World(Dawdles, session={"snapshot_timeout_s": 0.01})
    life = await come(world)
    async with within(PATIENCE_S):
        await NodeHolder(world.node, "n").give_up("device-1")
    assert life.transport.close_code == CloseReason.REPLACED.code


async def test_a_device_that_leaves_before_its_handler_has_given_its_snapshot_loses_nothing() -> (
    None
):
    enough = asyncio.Event()

    class Ponders(Keeping):
        async def snapshot(self) -> bytes:  # type: ignore[override]
            await enough.wait()
            return b"pondered"

    world = World(Ponders)
    life = await come(world)
    giving_up = asyncio.ensure_future(NodeHolder(world.node, "n").give_up("device-1"))
    await settle()
    life.loses_tcp()
    enough.set()
    await giving_up
    assert (await world.hub.claim("device-1", "session-2")).outcome is Outcome.RESUMED


async def test_a_device_that_cannot_even_be_closed_is_given_up_with_all_it_has() -> None:
    def cannot_write() -> None:
        raise RuntimeError("the transport is gone")

    world = World(Keeping)
    life = await come(world)
    life.transport.on_write = cannot_write
    await NodeHolder(world.node, "n").give_up("device-1")
    assert life.transport.aborted
    assert (await world.hub.claim("device-1", "session-2")).outcome is Outcome.RESUMED


async def test_who_is_not_here_is_given_up_at_once() -> None:
    giving_up = asyncio.ensure_future(NodeHolder(World().node, "n").give_up("nobody"))
    await settle()
    assert giving_up.done()
    assert giving_up.exception() is None


async def test_how_a_device_is_and_what_the_node_holds_is_told() -> None:
    world = World(server={"port": 0, "max_connections": 7})
    await come(world)
    holder = NodeHolder(world.node, "n")
    assert holder.describe("device-1") == ("active", "healthy")
    assert holder.describe("nobody") is None
    assert holder.load() == NodeView("n", sessions=1, limit=7, draining=False)


async def test_through_its_hub_a_node_is_asked_for_its_devices() -> None:
    world = World()
    await world.hub.start(NodeHolder(world.node, "n"), 60.0)
    life = await come(world)
    assert await world.hub.send("device-1", CUSTOM, 1.0) == b""
    where = await world.hub.where("device-1")
    assert isinstance(where, Whereabouts)
    assert where.session_id == life.session.session_id
    life.loses_tcp()
    await settle()
    assert await world.hub.where("device-1") is None
    with pytest.raises(NotConnectedError):
        await world.hub.send("device-1", CUSTOM, 1.0)
