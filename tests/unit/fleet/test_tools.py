from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.fleet.tools import Tools


def request(method: str, params: object = None, number: object = 7) -> dict[str, Any]:
    fields = {"jsonrpc": "2.0", "method": method, "id": number}
    return fields if params is None else fields | {"params": params}


def test_it_introduces_itself_with_the_protocol_of_the_firmware() -> None:
    answer = Tools().answer(request("initialize", {"capabilities": {"vision": {"url": "u"}}}))
    assert answer is not None
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    assert answer["result"]["protocolVersion"] == "2024-11-05"
    assert answer["result"]["capabilities"] == {"tools": {}}
    assert set(answer["result"]["serverInfo"]) == {"name", "version"}


def test_its_tools_fit_on_one_page_of_the_firmware() -> None:
    answer = Tools().answer(request("tools/list", {"cursor": "", "withUserTools": False}))
    assert answer is not None
    assert len(json.dumps(answer)) < 8_000
    assert "nextCursor" not in answer["result"]
    for tool in answer["result"]["tools"]:
        assert set(tool) == {"name", "description", "inputSchema"}


def test_a_tool_changes_what_another_one_tells() -> None:
    tools = Tools()
    call = {"name": "self.audio_speaker.set_volume", "arguments": {"volume": 31}}
    answer = tools.answer(request("tools/call", call))
    assert answer is not None
    assert answer["result"] == {"content": [{"type": "text", "text": "true"}], "isError": False}
    answer = tools.answer(request("tools/call", {"name": "self.get_device_status"}))
    assert answer is not None
    told = json.loads(answer["result"]["content"][0]["text"])
    assert told == {"audio_speaker": {"volume": 31}}


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("keepline/alive", None, "Method not implemented: keepline/alive"),
        ("tools/call", None, "Missing name"),
        ("tools/call", {"name": 1}, "Missing name"),
        ("tools/call", {"name": "self.fly"}, "Unknown tool: self.fly"),
        ("tools/call", {"name": "self.get_device_status", "arguments": []}, "Invalid arguments"),
        (
            "tools/call",
            {"name": "self.audio_speaker.set_volume"},
            "Missing valid argument: volume",
        ),
        (
            "tools/call",
            {"name": "self.audio_speaker.set_volume", "arguments": {"volume": "loud"}},
            "Missing valid argument: volume",
        ),
        (
            "tools/call",
            {"name": "self.audio_speaker.set_volume", "arguments": {"volume": True}},
            "Missing valid argument: volume",
        ),
    ],
)
def test_an_error_has_a_message_and_no_code(method: str, params: object, message: str) -> None:
    answer = Tools().answer(request(method, params))
    assert answer == {"jsonrpc": "2.0", "id": 7, "error": {"message": message}}


@pytest.mark.parametrize(
    ("volume", "is_taken"), [(-1, False), (0, True), (100, True), (101, False)]
)
def test_a_volume_is_taken_from_0_to_100(volume: int, is_taken: object) -> None:
    tools = Tools()
    call = {"name": "self.audio_speaker.set_volume", "arguments": {"volume": volume}}
    answer = tools.answer(request("tools/call", call))
    assert answer is not None
    assert ("result" in answer) is is_taken
    assert tools.volume == (volume if is_taken else 70)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        {},
        {"method": "initialize", "id": 1},
        {"jsonrpc": "1.0", "method": "initialize", "id": 1},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        request("notifications/initialized"),
        request("initialize", []),
        request("initialize", number="7"),
        request("initialize", number=None),
        request("initialize", number=True),
    ],
)
def test_what_the_firmware_does_not_answer_is_not_answered(payload: object) -> None:
    assert Tools().answer(payload) is None


@pytest.mark.parametrize(
    ("number", "read"), [(2**31 - 1, 2**31 - 1), (2**31, 2**31 - 1), (-(2**40), -(2**31)), (1.9, 1)]
)
def test_an_id_is_read_as_a_32_bit_integer(number: float, read: int) -> None:
    answer = Tools().answer(request("initialize", number=number))
    assert answer is not None
    assert answer["id"] == read
