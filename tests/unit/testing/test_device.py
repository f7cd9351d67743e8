"""A device on the stage: what it says and hears, its audio and its tools."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from keepline import Handler, Session, ToolError
from keepline.messages import Custom, Listen, Mcp, Stt
from keepline.testing import Device, Stage
from keepline.testing.device import HELLO
from tests.unit.gateway.fakes import Recorder


class Telephone(Handler):
    """Sends everything back."""

    def text(self, session: Session, message: Any) -> None:
        session.send(Custom({"heard": type(message).__name__}))

    def audio(self, session: Session, frame: bytes) -> None:
        session.send_audio(frame)


class Caller(Handler):
    """Calls a tool and tells what came of it."""

    async def text(self, session: Session, message: Any) -> None:
        try:
            result = await session.call_tool("volume", {"level": 3}, timeout_s=5)
            session.send(Stt(result.text))
        except ToolError as error:
            session.send(Stt(f"failed: {error}"))


GO = Listen(state="detect", text="go")


async def heard_of(device: Device) -> list[Any]:
    device.say(GO)
    await device.advance(0)
    return list(device.heard)


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_audio_goes_both_ways_in_every_version(version: int) -> None:
    hello = msgspec.structs.replace(HELLO, version=version)
    async with Stage(Telephone, hello=hello) as device:
        device.record(b"one", b"two")
        await device.advance(0)
        assert device.played == [b"one", b"two"]


async def test_a_message_arrives_as_what_it_is_and_a_text_as_it_stands() -> None:
    async with Stage(Recorder) as device:
        device.say(Custom({"key": 1}))
        device.say('{"type":"unheard_of"}')
        device.say("no JSON at all")
        await device.advance(0)
        told = [what for name, what in device.handler.calls if name == "text"]
        assert told[0] == Custom({"key": 1})
        assert [type(each).__name__ for each in told] == ["Custom", "Unknown"]


async def test_a_tool_answers_what_its_function_returns() -> None:
    async with Stage(Caller) as device:
        device.tools = {"volume": lambda level: {"was": level}}
        assert await heard_of(device) == [Stt('{"was": 3}')]
        assert device.called == [("volume", {"level": 3})]


@pytest.mark.parametrize(("value", "text"), [("loud", "loud"), (True, "true"), (7, "7")])
async def test_a_tool_may_be_nothing_but_its_answer(value: Any, text: str) -> None:
    async with Stage(Caller) as device:
        device.tools = {"volume": value}
        assert await heard_of(device) == [Stt(text)]


async def test_a_tool_that_raises_is_an_error_of_the_device() -> None:
    def broken(level: int) -> None:
        raise OSError("no speaker")

    async with Stage(Caller) as device:
        device.tools = {"volume": broken}
        assert await heard_of(device) == [Stt("failed: no speaker")]


async def test_a_tool_it_does_not_have_is_an_error_too() -> None:
    async with Stage(Caller) as device:
        assert await heard_of(device) == [Stt("failed: Unknown tool: volume")]


async def test_a_device_without_mcp_has_no_tools() -> None:
    hello = msgspec.structs.replace(HELLO, features={})
    async with Stage(Caller, hello=hello) as device:
        [told] = await heard_of(device)
        assert "does not speak MCP" in told.text


async def test_mcp_of_the_handler_s_own_is_heard() -> None:
    class Own(Handler):
        def text(self, session: Session, message: Any) -> None:
            session.send(Mcp({"jsonrpc": "2.0", "id": 7, "method": "mine"}))

    async with Stage(Own) as device:
        assert await heard_of(device) == [Mcp({"jsonrpc": "2.0", "id": 7, "method": "mine"})]


async def test_what_only_keeps_the_channel_open_is_no_message() -> None:
    for features in ({"mcp": True}, {}):
        hello = msgspec.structs.replace(HELLO, features=features)
        async with Stage(Recorder, hello=hello) as device:
            await device.advance(300)
            assert device.is_connected
            assert device.heard == []


async def test_what_was_not_yet_connected_cannot_speak() -> None:
    async with Stage(Recorder) as device:
        with pytest.raises(ConnectionError):
            Device(device.stage, "another").say(GO)
