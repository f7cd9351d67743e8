"""Calls of a device's tools, with the device played by the test."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from keepline.errors import NoToolsError, SessionEndedError, ToolError, ToolTimeoutError
from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.gateway.toolbox import (
    FIRST_ID,
    IDS,
    MOST_PAGES,
    MOST_TOOLS,
    PROTOCOL,
    TOOLS_BYTES,
    Tool,
    ToolResult,
    answered_call,
)
from keepline.wire.frames import Opcode
from keepline.wire.messages import Hello, Mcp
from tests.unit.gateway.fakes import Life, Recorder, World, settle
from tests.unit.gateway.virtual_time import LoopClock, passed_s, virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage

Answer = dict[str, Any]
OK: Answer = {"result": {"content": [{"type": "text", "text": "true"}], "isError": False}}


class Device:
    """A life whose device answers requests as it is told to; None is silence."""

    def __init__(
        self,
        world: World | None = None,
        *,
        features: dict[str, bool] | None = None,
        answer: Callable[[dict[str, Any]], Answer | None] = lambda _: OK,
    ) -> None:
        self.world = world or World(clock=LoopClock())
        connection = self.world.greeted(Receiver())
        hello = Hello(features={"mcp": True} if features is None else features)
        identity = Identity("device-1", "client-1")
        self.life = Life(connection, self.world.open(connection, identity, hello))
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self._read = len(self.life.transport.frames)
        self.life.transport.on_write = self._look_soon

    @property
    def session(self) -> Session:
        return self.life.session

    @property
    def methods(self) -> list[str]:
        return [request["method"] for request in self.requests]

    def _look_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        sent = self.life.transport.frames[self._read :]
        self._read += len(sent)
        for opcode, payload in sent:
            if opcode != Opcode.TEXT or (message := json.loads(payload))["type"] != "mcp":
                continue
            request = message["payload"]
            self.requests.append(request)
            if "id" not in request:
                continue
            answer = {"result": {}} if request["method"] == "initialize" else self.answer(request)
            if answer is not None:
                self.says({"jsonrpc": "2.0", "id": request["id"], **answer})

    def says(self, payload: object) -> None:
        self.life.says(json.dumps({"type": "mcp", "payload": payload}))


def texts(life: Life) -> list[object]:
    return [what for name, what in life.handler.calls if name == "text"]


# -- calling -------------------------------------------------------------------------------


@virtual
async def test_a_tool_is_called_and_its_answer_does_not_reach_the_handler() -> None:
    device = Device()
    result = await device.session.call_tool("volume", {"level": 5})
    assert result == ToolResult("true", [{"type": "text", "text": "true"}])
    assert device.methods == ["initialize", "notifications/initialized", "tools/call"]
    assert device.requests[0]["params"]["protocolVersion"] == PROTOCOL
    assert device.requests[2]["params"] == {"name": "volume", "arguments": {"level": 5}}
    assert device.life.handler.names == ["opened"]


@virtual
async def test_the_handshake_is_made_once() -> None:
    device = Device()
    await asyncio.gather(*(device.session.call_tool("volume") for _ in range(3)))
    await device.session.call_tool("volume")
    assert device.methods.count("initialize") == 1
    ids = [request["id"] for request in device.requests if "id" in request]
    assert len(ids) == len(set(ids)) == 5


@virtual
async def test_a_handler_may_wait_for_a_tool_in_its_own_call() -> None:
    class Asking(Recorder):
        async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
            self.calls.append(("text", (await session.call_tool("volume")).text))

    device = Device(World(Asking, clock=LoopClock()))
    device.life.says('{"type":"abort"}')
    for _ in range(5):
        await settle()
    assert texts(device.life) == ["true"]


@virtual
async def test_answers_may_come_in_any_order() -> None:
    device = Device(answer=lambda _: None)
    first, second = (asyncio.ensure_future(device.session.call_tool(n)) for n in ("a", "b"))
    for _ in range(3):
        await settle()
    for request in reversed(device.requests[-2:]):
        text = [{"text": request["params"]["name"]}]
        device.says({"id": request["id"], "result": {"content": text}})
    assert ((await first).text, (await second).text) == ("a", "b")


# -- what is no answer of ours -------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        {"id": 7, "result": {}},
        {"id": str(FIRST_ID), "result": {}},
        {"id": FIRST_ID - 1, "result": {}},
        {"id": FIRST_ID + IDS, "result": {}},
        {"id": -FIRST_ID, "error": {}},
        {"id": True},
        {"id": FIRST_ID, "method": "notifications/x"},
        {"method": "notifications/state_changed"},
        [],
        None,
    ],
)
def test_what_answers_no_call_of_ours_is_told_apart(payload: object) -> None:
    assert answered_call(payload) is None


def test_the_first_and_the_last_of_our_ids_are_known() -> None:
    for number in (FIRST_ID, FIRST_ID + IDS - 1):
        assert answered_call({"id": number, "result": {}}) == number


@virtual
async def test_other_mcp_messages_reach_the_handler() -> None:
    device = Device()
    device.says({"id": 7, "result": 1})
    device.says({"method": "notifications/state_changed"})
    assert texts(device.life) == [
        Mcp({"id": 7, "result": 1}),
        Mcp({"method": "notifications/state_changed"}),
    ]


@virtual
async def test_an_answer_that_comes_too_late_is_nothing_to_anybody() -> None:
    device = Device(answer=lambda _: None)
    with pytest.raises(ToolTimeoutError):
        await device.session.call_tool("slow", timeout_s=1)
    number = device.requests[-1]["id"]
    device.says({"id": number, **OK})
    device.session.release_buffers()  # the device is idle
    device.says({"id": number, **OK})
    assert device.life.handler.names == ["opened"]


# -- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        ({"error": {"message": "Unknown tool: x"}}, "Unknown tool: x", None),
        ({"error": {"code": -32601, "message": "no"}}, "no", -32601),
        ({"error": {"code": "E1"}}, "the device gave no message", None),
        ({"error": "broken"}, "broken", None),
        ({"result": {"isError": True, "content": [{"text": "too hot"}]}}, "too hot", None),
        ({"result": {"isError": True}}, "the tool reported an error", None),
    ],
)
@virtual
async def test_an_error_of_the_device_is_raised_with_its_words(
    answer: Answer, message: str, code: int | None
) -> None:
    device = Device(answer=lambda _: answer)
    with pytest.raises(ToolError) as failure:
        await device.session.call_tool("x")
    assert (failure.value.message, failure.value.code) == (message, code)


@pytest.mark.parametrize("answer", [{}, {"result": 7}, {"result": {"content": [1, {"text": 2}]}}])
@virtual
async def test_an_odd_answer_is_one_without_text(answer: Answer) -> None:
    assert (await Device(answer=lambda _: answer).session.call_tool("x")).text == ""


@virtual
async def test_silence_is_bounded() -> None:
    device = Device(answer=lambda _: None)
    with pytest.raises(ToolTimeoutError, match="the tool x: no answer within 3 s"):
        await device.session.call_tool("x", timeout_s=3)
    assert passed_s() == 3


@virtual
async def test_a_device_without_mcp_is_not_asked() -> None:
    device = Device(features={})
    with pytest.raises(NoToolsError):
        await device.session.call_tool("x")
    assert device.requests == []


@virtual
async def test_the_end_of_the_session_fails_whoever_waits_at_once() -> None:
    device = Device(answer=lambda _: None)
    calls = [asyncio.ensure_future(device.session.call_tool("x")) for _ in range(2)]
    listing = asyncio.ensure_future(device.session.tools())
    await settle()
    device.session.close()
    results = await asyncio.gather(*calls, listing, return_exceptions=True)
    assert [type(result) for result in results] == [SessionEndedError] * 3
    with pytest.raises(SessionEndedError):
        await device.session.call_tool("x")
    assert passed_s() == 0


@virtual
async def test_a_handshake_that_failed_is_tried_again() -> None:
    device = Device(answer=lambda _: OK)
    device.life.transport.on_write = None
    with pytest.raises(ToolTimeoutError):
        await device.session.call_tool("x", timeout_s=1)
    device.life.transport.on_write = device._look_soon
    assert (await device.session.call_tool("x")).text == "true"


@virtual
async def test_calls_under_way_are_bounded() -> None:
    world = World(clock=LoopClock(), handlers={"tool_calls": 2})
    device = Device(world, answer=lambda _: None)
    calls = [asyncio.ensure_future(device.session.call_tool("x")) for _ in range(2)]
    await settle()
    with pytest.raises(ToolError, match=r"handlers\.tool_calls"):
        await device.session.call_tool("x")
    for call in calls:
        call.cancel()
    await settle()
    device.answer = lambda _: OK
    assert (await device.session.call_tool("x")).text == "true"


# -- the list ------------------------------------------------------------------------------


def pages(count: int) -> Callable[[dict[str, Any]], Answer]:
    def answer(request: dict[str, Any]) -> Answer:
        number = int(request["params"].get("cursor", "0"))
        tools = [{"name": f"tool-{number}", "inputSchema": {"type": "object"}}, 7, {"name": 7}]
        following = {"nextCursor": str(number + 1)} if number + 1 < count else {}
        return {"result": {"tools": tools, **following}}

    return answer


@virtual
async def test_the_list_is_read_page_by_page_and_remembered_until_idle() -> None:
    device = Device(answer=pages(3))
    first, again = await asyncio.gather(device.session.tools(), device.session.tools())
    assert first == again == tuple(Tool(f"tool-{n}", "", {"type": "object"}) for n in range(3))
    assert device.methods.count("tools/list") == 3
    device.session.release_buffers()
    await device.session.tools()
    assert device.methods.count("tools/list") == 6


@virtual
async def test_a_list_without_an_end_is_given_up() -> None:
    assert len(await Device(answer=pages(MOST_PAGES)).session.tools()) == MOST_PAGES
    with pytest.raises(ToolError, match="pages"):
        await Device(answer=pages(MOST_PAGES + 1)).session.tools()


def sized(*sizes: int, tools: int = 1) -> Callable[[dict[str, Any]], Answer]:
    """Pages whose results have so many bytes as JSON, with as many tools in all of them."""

    def answer(request: dict[str, Any]) -> Answer:
        number = int(request["params"].get("cursor", "0"))
        result = {"tools": [{"name": "t"} for _ in range(tools)], "fill": ""}
        if number + 1 < len(sizes):
            result["nextCursor"] = str(number + 1)
        fill = sizes[number] - len(json.dumps(result, separators=(",", ":")))
        return {"result": {**result, "fill": "x" * fill}}

    return answer


@virtual
async def test_the_pages_of_a_list_have_a_limit_together() -> None:
    half = TOOLS_BYTES // 2
    assert len(await Device(answer=sized(half, half)).session.tools()) == 2
    with pytest.raises(ToolError, match="bytes"):
        await Device(answer=sized(half, half + 1)).session.tools()


@virtual
async def test_a_list_has_only_so_many_tools() -> None:
    page = sized(20_000, 20_000, tools=MOST_TOOLS // 2)
    assert len(await Device(answer=page).session.tools()) == MOST_TOOLS
    with pytest.raises(ToolError, match="tools"):
        await Device(answer=sized(20_000, 20_000, tools=MOST_TOOLS // 2 + 1)).session.tools()


@virtual
async def test_the_tools_of_one_device_take_no_more_than_two_mebibytes() -> None:
    dicts = [{"a": 1}] * 450  # 8 bytes each, and 184 in memory

    def answer(request: dict[str, Any]) -> Answer:
        number = int(request["params"].get("cursor", "0"))
        following = {"nextCursor": str(number + 1)} if number < 15 else {}
        return {"result": {"tools": [{"name": "t", "inputSchema": {"x": dicts}}], **following}}

    device = Device(answer=answer)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tools = await device.session.tools()
        device.requests.clear()
        device.life.transport.written.clear()
        gc.collect()
        kept_bytes = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(tools) == 16
    assert kept_bytes < 2 << 20


async def test_calls_leave_no_task_behind() -> None:
    before = asyncio.all_tasks()
    device = Device(World())
    await device.session.call_tool("x")
    device.life.loses_tcp()
    assert asyncio.all_tasks() == before
