"""The request that only asks for an answer: what it says, and what counts as the answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.wire.messages import Mcp, parse_server_message
from keepline.wire.probe import LAST_ID, UNANSWERED, answered_probe, probe_text


def answer(number: int, **changes: object) -> str:
    """Return what stock firmware answers to a method that it does not have."""
    payload = {
        "jsonrpc": "2.0",
        "id": LAST_ID - number,
        "error": {"message": "Method not implemented: keepline/alive"},
        **changes,
    }
    return json.dumps({"session_id": "", "type": "mcp", "payload": payload})


@pytest.mark.parametrize("number", [0, 1, 7, 99_999_999])
def test_the_probe_is_a_request_that_stock_firmware_answers(number: int) -> None:
    message = parse_server_message(probe_text(number))
    assert isinstance(message, Mcp)
    payload = message.payload
    assert payload["jsonrpc"] == "2.0"
    assert payload["method"] not in {"initialize", "tools/list", "tools/call"}
    assert not payload["method"].startswith("notifications")  # these are never answered
    assert "params" not in payload
    assert type(payload["id"]) is int  # any other id is dropped
    assert -(2**31) <= payload["id"] < 0  # it is kept in a C int; others count upwards
    assert answered_probe(answer(number)) == number


def test_numbers_go_round_before_they_leave_a_c_int() -> None:
    assert probe_text(100_000_000) == probe_text(0)
    assert probe_text(2**32) == probe_text(2**32 % 100_000_000)


def test_what_needs_no_answer_has_a_type_that_nobody_knows() -> None:
    message = parse_server_message(UNANSWERED)
    assert getattr(message, "type", None) == "keepalive"


def test_a_result_is_an_answer_as_good_as_an_error() -> None:
    text = json.dumps({"type": "mcp", "payload": {"id": LAST_ID - 3, "result": {}}}, indent=1)
    assert answered_probe(text) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-20",
        "[" * 900 + "-20",
        '{"type":"mcp"}-20',
        '{"type":"mcp","payload":-2000000001}',
        '{"type":"mcp","payload":{"id":"-2000000001"}}',
        '{"type":"mcp","payload":{"id":-2000000001.5}}',
        '{"type":"mcp","payload":{"id":-1999999999}}',
        '{"type":"mcp","payload":{"id":-2100000000}}',
        '{"type":"mcp","payload":{"id":-200000000000000000000000000000001}}',
        '{"type":"mcp","payload":{"id":null},"x":-2000000001}',
        '{"type":"listen","state":"detect","text":"-2000000001"}',
        '{"type":"custom","payload":{"id":-2000000001}}',
        answer(1, method="tools/list"),
        answer(1, error={"message": "x" * 1_024}),
    ],
)
def test_everything_else_answers_nothing_and_raises_nothing(text: str) -> None:
    assert answered_probe(text) is None


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    assert answered_probe(f"-20{text}") is None
