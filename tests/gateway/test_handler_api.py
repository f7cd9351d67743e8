"""What a handler can ask of its session, with real sockets: speech, tools, timers, threads."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.asyncio.client import ClientConnection

from keepline.gateway.handler import Handler
from keepline.gateway.session import Session
from keepline.gateway.threads import ThreadedSession
from keepline.reasons import CloseReason
from keepline.wire.messages import Abort, Custom, DeviceMessage, Listen, Stt
from tests.gateway.peers import HELLO, dial, heard, talk
from tests.waiting import PATIENCE_S, eventually

Start = Callable[..., Any]
DETECT = '{"type":"listen","state":"detect","text":"hello"}'
MCP_HELLO = '{"type":"hello","version":1,"transport":"websocket","features":{"mcp":true}}'
FRAMES = [index.to_bytes(2) for index in range(20)]


async def everything_until(device: ClientConnection, state: str) -> list[Any]:
    """Return what comes up to a `tts` of this state: packets, and the other messages parsed."""
    messages: list[Any] = []
    while not messages or messages[-1] != {"type": "tts", "state": state}:
        message = await asyncio.wait_for(device.recv(), PATIENCE_S)
        messages.append(message if isinstance(message, bytes) else json.loads(message))
    return messages


class Talking(Handler):
    """Says the same to whatever it hears, and notes how it went."""

    def __init__(self) -> None:
        self.cancelled: list[bool] = []
        self.heard: list[DeviceMessage] = []

    async def text(self, session: Session, message: DeviceMessage) -> None:
        self.heard.append(message)
        if isinstance(message, Listen):
            speech = await session.speak(FRAMES, "Hello")
            self.cancelled.append(speech.cancelled)


async def test_a_speech_reaches_a_device_in_real_time(start_gateway: Start) -> None:
    handler = Talking()
    gateway = await start_gateway(lambda: handler)
    async with talk(gateway.port) as device:
        await device.send(DETECT)
        began = time.monotonic()
        said = await everything_until(device, "stop")
        took_s = time.monotonic() - began
    start, text, *packets, _ = said
    assert start == {"type": "tts", "state": "start"}
    assert text == {"type": "tts", "state": "sentence_start", "text": "Hello"}
    assert packets == FRAMES
    assert took_s >= len(FRAMES) * 0.06 - 0.01
    assert handler.cancelled == [False]


async def test_an_abort_cuts_a_speech_and_is_heard_by_the_handler(start_gateway: Start) -> None:
    handler = Talking()
    gateway = await start_gateway(lambda: handler)
    async with talk(gateway.port) as device:
        await device.send(DETECT)
        for _ in range(4):
            await device.recv()
        await device.send('{"type":"abort"}')
        packets = [part for part in await everything_until(device, "stop") if type(part) is bytes]
        assert len(packets) < len(FRAMES)
        await eventually(lambda: handler.cancelled == [True])
        await eventually(lambda: Abort() in handler.heard)


async def test_a_device_that_hangs_up_cuts_a_speech(start_gateway: Start) -> None:
    handler = Talking()
    gateway = await start_gateway(lambda: handler)
    async with talk(gateway.port) as device:
        await device.send(DETECT)
        await device.recv()
    await eventually(lambda: handler.cancelled == [True])
    await eventually(lambda: not gateway.node.registry)
    assert gateway.counters.handler_failures == 0


class Asking(Handler):
    """Asks its device for what it has, in the middle of a call."""

    async def text(self, session: Session, message: DeviceMessage) -> None:
        tools = await session.tools()
        result = await session.call_tool(tools[0].name, {"level": 5})
        session.send(Stt(f"{tools[0].name}: {result.text}"))


async def answer_tools(device: ClientConnection) -> Any:
    """Answer like a firmware until something else comes, which is returned."""
    while (message := await heard(device))["type"] == "mcp":
        request = message["payload"]
        results: dict[str, Any] = {
            "initialize": {"protocolVersion": "2024-11-05"},
            "tools/list": {"tools": [{"name": "self.volume", "inputSchema": {}}]},
            "tools/call": {"content": [{"type": "text", "text": "true"}], "isError": False},
        }
        if "id" in request:
            answer = {"jsonrpc": "2.0", "id": request["id"], "result": results[request["method"]]}
            await device.send(json.dumps({"type": "mcp", "payload": answer}))
    return message


async def test_a_handler_calls_a_tool_of_its_device_within_a_call(start_gateway: Start) -> None:
    gateway = await start_gateway(Asking)
    async with dial(gateway.port) as device:
        await device.send(MCP_HELLO)
        await heard(device)
        await device.send(DETECT)
        assert await answer_tools(device) == {"type": "stt", "text": "self.volume: true"}


async def test_a_device_that_leaves_is_no_failure_of_who_waits_for_it(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(Asking)
    async with dial(gateway.port) as device:
        await device.send(MCP_HELLO)
        await heard(device)
        await device.send(DETECT)
        await heard(device)
    await eventually(lambda: not gateway.node.registry)
    assert gateway.counters.handler_failures == 0
    assert gateway.logged("handler_too_slow_to_end") == []


class Counting(Handler):
    """Counts what it hears; its count goes on in the device's next session."""

    def __init__(self) -> None:
        self.count = 0

    def resumed(self, session: Session) -> None:
        session.send(Stt(f"{self.count} so far"))

    def text(self, session: Session, message: DeviceMessage) -> None:
        self.count += 1

    def snapshot(self) -> bytes:
        return self.count.to_bytes(4)

    def restore(self, state: bytes) -> None:
        self.count = int.from_bytes(state)


async def test_a_device_that_comes_back_goes_on_where_it_was(start_gateway: Start) -> None:
    gateway = await start_gateway(Counting)
    async with talk(gateway.port) as older:
        for _ in range(3):
            await older.send(DETECT)
        await eventually(lambda: gateway.counters.messages_in == 3)
        async with talk(gateway.port) as newer:
            assert await heard(newer) == {"type": "stt", "text": "3 so far"}
    assert gateway.counters.disconnects[CloseReason.REPLACED] == 1


async def test_a_hello_is_answered_while_the_older_handler_hangs(start_gateway: Start) -> None:
    class Hanging(Counting):
        async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    bounds = {"snapshot_timeout_s": 1.5, "closed_timeout_s": 0.2}
    gateway = await start_gateway(Hanging, session=bounds)
    async with talk(gateway.port) as older:
        await older.send(DETECT)
        await eventually(lambda: gateway.counters.messages_in == 1)
        async with dial(gateway.port) as newer:
            await newer.send(HELLO)
            assert (await heard(newer))["type"] == "hello"
            assert not gateway.logged("snapshot_too_late")
            await eventually(lambda: gateway.logged("snapshot_too_late"))


async def test_a_timer_rings_on_the_device_and_is_gone_with_it(start_gateway: Start) -> None:
    rung: list[str] = []

    class Ringing(Handler):
        def opened(self, session: Session) -> None:
            session.after(0.05, self.ring, "once")
            session.after(60, self.ring, "never")

        def ring(self, session: Session, what: str) -> None:
            rung.append(what)
            session.send(Stt(what))

    gateway = await start_gateway(Ringing)
    async with talk(gateway.port) as device:
        assert (await heard(device))["text"] == "once"
    await eventually(lambda: not gateway.node.registry)
    assert rung == ["once"]


class Blocking(Handler[ThreadedSession]):
    """Blocks, speaks and answers in its thread."""

    threaded = True

    def __init__(self) -> None:
        self.go = threading.Event()

    def text(self, session: ThreadedSession, message: DeviceMessage) -> None:
        went = self.go.wait(PATIENCE_S)
        speech = session.speak(self.packets(), "Hello")
        session.send(Custom([went, speech.cancelled, threading.current_thread().name]))

    def packets(self) -> Iterator[bytes]:
        for frame in FRAMES[:8]:
            time.sleep(0.001)
            yield frame


async def test_a_handler_in_a_thread_blocks_itself_alone(start_gateway: Start) -> None:
    handler = Blocking()
    gateway = await start_gateway(lambda: handler)
    async with talk(gateway.port, "one") as device, talk(gateway.port, "other") as other:
        await device.send(DETECT)
        await eventually(lambda: gateway.counters.messages_in == 1)
        await (await other.ping())
        handler.go.set()
        said = await everything_until(device, "stop")
        assert [part for part in said if type(part) is bytes] == FRAMES[:8]
        customs = [part for part in said if isinstance(part, dict) and part["type"] == "custom"]
        payload = customs[0]["payload"] if customs else (await heard(device))["payload"]
        assert payload[:2] == [True, False]  # it was let go by what the loop did meanwhile
        assert payload[2].startswith("handler")
