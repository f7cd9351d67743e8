"""A session that is idle has given back all that talk has needed."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

from keepline.gateway.handler import Handler
from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.gateway.session import Session
from keepline.lifecycle.states import State
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.messages import Alert, Hello, Tts
from tests.unit.gateway.belongings import Everybodys
from tests.unit.gateway.fakes import KEY, Life, World, settle
from tests.unit.gateway.virtual_time import LoopClock, pass_time, virtual

IDLE_AFTER_S = 3.0
TICK_S = 0.1
OPUS = bytes(120)


class Thoughtful(Handler):
    """Takes a while for each frame, and keeps nothing."""

    __slots__ = ()

    async def audio(self, session: Session, frame: bytes) -> None:
        await pass_time(0.05)


def calm_world(make_handler: type[Handler], **sections: Any) -> World:
    """Return a node that pings nobody while a test lasts."""
    return World(
        make_handler,
        clock=LoopClock(),
        session={"idle_after_s": IDLE_AFTER_S},
        heartbeat={"interval_s": 55},
        **sections,
    )


def come(world: World, device_id: str) -> Life:
    connection = world.greeted(Receiver())
    hello = Hello(features={"mcp": True, "ack": True})
    session = world.open(connection, Identity(device_id, "client-1"), hello)
    return Life(connection, session)


async def live(world: World, for_s: float) -> None:
    """Let time pass, with the ticks and seconds of a node."""
    for tick in range(round(for_s / TICK_S)):
        await pass_time(TICK_S)
        world.node.ticker.advance()
        if tick % 10 == 0:
            world.node.each_second()


def pieces(message: bytes) -> list[bytes]:
    """Return a text message in two fragments, the second of them cut."""
    half = len(message) // 2
    first = encode_masked(Opcode.TEXT, message[:half], KEY, fin=False)
    second = encode_masked(Opcode.CONTINUATION, message[half:], KEY)
    return [first, second[:7], second[7:]]


async def talk(life: Life) -> None:
    """Use everything that a session can have."""
    session, connection = life.session, life.connection
    life.says('{"type":"listen","state":"start","mode":"realtime"}')
    for _ in range(20):
        life.streams(OPUS)  # for a handler that is slower
    first, cut, rest = pieces(b'{"type":"custom","payload":{"text":"in pieces"}}')
    connection.data_received(first)
    connection.data_received(cut)
    assert session.inbox is not None
    await settle()
    connection.data_received(rest)

    session.send(Alert(status="ok", message="to be acknowledged", emotion="happy"))
    session.after(0.5, session.handler.woken)
    session.spawn(pass_time(0.5))
    calling = asyncio.ensure_future(session.tools())
    for _ in range(2):  # it introduces itself, and asks
        await settle()
        answer_tools(life)
    assert await calling == ()

    session.send(Tts("start"))
    for _ in range(20):
        session.send_audio(OPUS)  # more than may run ahead
    session.send(Tts("stop"))
    life.transport.buffered_bytes = 100_000
    connection.pause_writing()
    assert connection.outbox is not None
    await pass_time(0.5)
    life.transport.buffered_bytes = 0
    connection.resume_writing()
    assert len(session.speak([OPUS] * 5, "what it says").parts) == 5  # type: ignore[arg-type]
    life.says('{"type":"listen","state":"stop"}')
    await pass_time(1.5)
    [named] = [each for each in life.heard if each["type"] == "alert"]
    life.says(json.dumps({"type": "ack", "message_id": named["message_id"]}))


def answer_tools(life: Life) -> None:
    """Answer what was asked last over MCP, as a device without tools does."""
    asked = [each["payload"]["id"] for each in life.heard if "id" in each.get("payload", ())]
    result = {"jsonrpc": "2.0", "id": asked[-1], "result": {"tools": []}}
    life.says(json.dumps({"type": "mcp", "payload": result}))


@virtual
async def test_a_session_that_has_talked_and_is_idle_has_no_more_than_one_that_never_did() -> None:
    world = calm_world(Thoughtful)
    everybodys = Everybodys(world)
    silent, busy = come(world, "device-1"), come(world, "device-2")
    await talk(busy)
    kinds, size_bytes = everybodys.belongings(busy.session)
    usual, usual_bytes = everybodys.belongings(silent.session)
    assert {"Speaker", "Pace", "Beside", "Toolbox"} <= (kinds - usual).keys()
    assert size_bytes > usual_bytes

    await live(world, IDLE_AFTER_S + 3.0)
    assert [life.connection.lifecycle.state for life in (silent, busy)] == [State.IDLE] * 2
    gc.collect()
    assert everybodys.belongings(busy.session) == everybodys.belongings(silent.session)
    assert everybodys.holders(busy.session) == everybodys.holders(silent.session)


class Remembers(Thoughtful):
    """Is asked for its state when it turns idle."""

    __slots__ = ()

    def snapshot(self) -> bytes:
        return b"state"


@virtual
async def test_what_goes_on_beyond_the_turn_to_idle_is_given_back_when_it_is_over() -> None:
    world = calm_world(Remembers)
    everybodys = Everybodys(world)
    silent, busy = come(world, "device-1"), come(world, "device-2")
    long_s = 2 * IDLE_AFTER_S
    busy.session.speak([OPUS] * round(long_s / 0.06))
    busy.session.spawn(pass_time(long_s + 1.0))
    busy.session.after(long_s, busy.session.handler.woken)
    await live(world, IDLE_AFTER_S + 1.0)
    assert busy.connection.lifecycle.state is State.IDLE
    kinds, _ = everybodys.belongings(busy.session)
    usual, _ = everybodys.belongings(silent.session)
    assert {"Speaker", "Beside", "Task"} <= (kinds - usual).keys()
    await live(world, long_s)
    gc.collect()
    assert everybodys.belongings(busy.session) == everybodys.belongings(silent.session)
    assert everybodys.holders(busy.session) == everybodys.holders(silent.session)
    assert not usual.keys() & {"Beside", "Speaker", "Task"}


@virtual
async def test_packets_that_are_early_beyond_the_turn_to_idle_leave_nothing_behind() -> None:
    world = calm_world(Thoughtful, outbox={"audio_frames": 100})
    everybodys = Everybodys(world)
    silent, busy = come(world, "device-1"), come(world, "device-2")
    for _ in range(100):
        busy.session.send_audio(OPUS)
    await live(world, IDLE_AFTER_S + 1.0)
    assert busy.connection.lifecycle.state is State.IDLE
    assert "Speaker" in everybodys.belongings(busy.session)[0]
    await live(world, IDLE_AFTER_S)
    gc.collect()
    assert everybodys.belongings(busy.session) == everybodys.belongings(silent.session)


@virtual
async def test_a_few_packets_for_an_idle_device_leave_nothing_behind_once_they_were_heard() -> None:
    world = calm_world(Thoughtful)
    everybodys = Everybodys(world)
    silent, busy = come(world, "device-1"), come(world, "device-2")
    await live(world, IDLE_AFTER_S + 1.0)
    for _ in range(3):
        busy.session.send_audio(OPUS)
    await pass_time(0.17)  # of 180 ms that they last
    assert "Speaker" in everybodys.belongings(busy.session)[0]
    busy.session.send_audio(OPUS)
    await pass_time(0.06)
    assert "Speaker" in everybodys.belongings(busy.session)[0]
    await live(world, 1.0)
    gc.collect()
    assert everybodys.belongings(busy.session) == everybodys.belongings(silent.session)
