from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.gateway.auth.answering import UnusableError
from keepline.gateway.enrolment.rewriting import MOST_CONTAINERS, rewrite

URL = "wss://keepline.example/xiaozhi/v1/"
THEIRS: dict[str, Any] = {
    "server_time": {"timestamp": 1_800_000_000_000, "timezone_offset": 480},
    "firmware": {"version": "2.0.1", "url": "http://voice.lan/fw.bin", "force": 1},
    "websocket": {"url": "ws://voice.lan:8000/xiaozhi/v1/", "token": "theirs", "version": 3},
    "mqtt": {"endpoint": "mqtt.lan", "client_id": "c"},
    "anything": [1, 2.5, None, "\u4f60"],
}
ACTIVATION = {"message": "say it", "code": "012345", "challenge": "x", "timeout_ms": 30_000}


def rewritten(answer: Any, token: str | None = None, *, keeps_mqtt: bool = False) -> Any:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    make_token = None if token is None else (lambda: token)
    return json.loads(rewrite(body, URL, make_token, keeps_mqtt=keeps_mqtt).body)


def test_only_where_to_connect_is_ours_and_mqtt_is_gone() -> None:
    theirs = {name: value for name, value in THEIRS.items() if name not in {"mqtt", "websocket"}}
    assert rewritten(THEIRS) == theirs | {
        "websocket": {"url": URL, "token": "theirs", "version": 3}
    }


def test_the_token_is_ours_where_we_judge() -> None:
    assert rewritten(THEIRS, "ours")["websocket"] == {"url": URL, "token": "ours", "version": 3}


def test_mqtt_stays_where_it_is_wanted() -> None:
    assert rewritten(THEIRS, keeps_mqtt=True)["mqtt"] == THEIRS["mqtt"]


def test_who_is_still_to_be_activated_is_given_no_token_of_ours() -> None:
    answer = THEIRS | {"activation": ACTIVATION}
    found = rewritten(answer, "ours")
    assert "websocket" not in found
    assert found["activation"] == ACTIVATION


def test_who_is_still_to_be_activated_keeps_the_token_that_is_not_ours() -> None:
    answer = THEIRS | {"activation": ACTIVATION}
    assert rewritten(answer)["websocket"]["token"] == "theirs"


def test_a_token_is_made_only_for_who_connects() -> None:
    def make_token() -> str:
        raise AssertionError("no token is needed")

    answer = json.dumps({"activation": ACTIVATION}).encode()
    assert not rewrite(answer, URL, make_token, keeps_mqtt=False).connects


@pytest.mark.parametrize("websocket", [None, [], "ws://evil/", 7, True])
def test_a_websocket_that_is_no_object_is_dropped(websocket: object) -> None:
    assert "websocket" not in rewritten({"websocket": websocket}, "ours")


def test_nothing_else_of_the_websocket_reaches_the_flash() -> None:
    answer = {"websocket": {"url": "ws://evil/", "proxy": "http://evil/", "version": "3"}}
    assert rewritten(answer) == {"websocket": {"url": URL, "token": ""}}


def test_a_websocket_that_is_said_twice_is_said_once() -> None:
    body = b'{"websocket":{"url":"ws://a/"},"websocket":{"url":"ws://b/","token":"t"}}'
    raw = rewrite(body, URL, None, keeps_mqtt=False).body
    assert raw.count(b'"websocket"') == 1
    assert b"ws://b" not in raw


@pytest.mark.parametrize("token", [7, None, ["t"], "a b", "a\r\nX: y", "t" * 2_049, "\u00e9"])
def test_a_token_that_no_header_can_carry_is_unusable(token: object) -> None:
    with pytest.raises(UnusableError, match="token"):
        rewritten({"websocket": {"token": token}})


def test_the_longest_token_is_passed_on() -> None:
    assert rewritten({"websocket": {"token": "t" * 2_048}})["websocket"]["token"] == "t" * 2_048


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'"text"', b"{", b'{"a":\xff}', b'{"a":NaN}', b"<html></html>"],
)
def test_what_is_no_json_object_is_unusable(body: bytes) -> None:
    with pytest.raises(UnusableError, match="no JSON"):
        rewritten(body)


@pytest.mark.parametrize(("containers", "usable"), [(-1, True), (0, True), (1, False)])
def test_arrays_and_objects_have_a_limit(containers: int, *, usable: bool) -> None:
    body = json.dumps({"a": [[]] * (MOST_CONTAINERS + containers - 2)}).encode()
    if usable:
        assert rewritten(body)
    else:
        with pytest.raises(UnusableError, match="too many"):
            rewritten(body)


def test_deep_nesting_is_unusable() -> None:
    with pytest.raises(UnusableError):
        rewritten(b'{"a":' + b"[" * 100_000)
