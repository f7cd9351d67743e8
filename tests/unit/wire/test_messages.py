from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.wire.messages import (
    MAX_CONTAINERS,
    Abort,
    Alert,
    AudioParams,
    Custom,
    Hello,
    Listen,
    Llm,
    Malformed,
    Mcp,
    ServerHello,
    ServerMessage,
    Stt,
    System,
    Tts,
    Unknown,
    encode_device_message,
    encode_server_message,
    parse_device_message,
    parse_server_message,
)

FIRMWARE_HELLO = (
    '{"type":"hello","version":1,"features":{"mcp":true,"aec":true},"transport":"websocket",'
    '"audio_params":{"format":"opus","sample_rate":16000,"channels":1,"frame_duration":60}}'
)


def test_the_firmware_hello_is_read_with_every_field() -> None:
    assert parse_device_message(FIRMWARE_HELLO) == Hello(
        version=1,
        features={"mcp": True, "aec": True},
        transport="websocket",
        audio_params=AudioParams("opus", 16_000, 1, 60),
    )


def test_a_browser_hello_without_version_transport_and_audio_is_a_hello() -> None:
    text = '{"type":"hello","device_id":"a","device_name":"b","device_mac":"c","token":"d"}'
    assert parse_device_message(text) == Hello()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"session_id":"","type":"listen","state":"start","mode":"auto"}',
            Listen("start", mode="auto"),
        ),
        ('{"session_id":"s","type":"listen","state":"stop"}', Listen("stop", session_id="s")),
        (
            '{"session_id":"s","type":"listen","state":"detect","text":"你好"}',
            Listen("detect", text="你好", session_id="s"),
        ),
        ('{"session_id":"s","type":"abort"}', Abort(session_id="s")),
        (
            '{"type":"abort","reason":"wake_word_detected"}',
            Abort("wake_word_detected"),
        ),
        (
            '{"type":"mcp","payload":{"jsonrpc":"2.0","id":1}}',
            Mcp({"jsonrpc": "2.0", "id": 1}),
        ),
        ('{"type":"custom","payload":[1,null,"x"]}', Custom([1, None, "x"])),
    ],
)
def test_each_device_message_is_read_into_its_type(text: str, message: object) -> None:
    assert parse_device_message(text) == message


def test_fields_nobody_knows_are_ignored_wherever_they_stand() -> None:
    text = '{"state":"stop","extra":{"deep":[1]},"type":"listen"}'
    assert parse_device_message(text) == Listen("stop")


@pytest.mark.parametrize("kind", ["iot", "ping", "goodbye", "", "HELLO", "tts", "hello "])
def test_an_unknown_type_keeps_its_text_untouched(kind: str) -> None:
    text = f'{{ "type" : "{kind}" , "n":1.0 }}'
    assert parse_device_message(text) == Unknown(type=kind, text=text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "null",
        "1",
        '"hello"',
        "{}",
        '{"type":null}',
        '{"type":["hello"]}',
        '{"type":"hello"',
        '{"type":"hello"}{"type":"hello"}',
        '{"type":"hello","version":"1"}',
        '{"type":"hello","version":1.5}',
        '{"type":"hello","version":null}',
        '{"type":"hello","version":1e999}',
        '{"type":"hello","features":[]}',
        '{"type":"hello","audio_params":{"sample_rate":"x"}}',
        '{"type":"listen"}',
        '{"type":"listen","state":"paused"}',
        '{"type":"listen","state":"start","mode":"telepathy"}',
        '{"type":"mcp"}',
        '{"type":"mcp","payload":NaN}',
        '{"type":"custom","payload":' + "9" * 5_000 + "}",
        '{"type":"custom","payload":"\\ud800"}',
        '{"type":"custom","payload":{"\\udc00":1}}',
        '{"type":"custom","payload":"\ud800"}',
        '{"type":"\\ud800"}',
        '{"type":"listen","type":"abort","state":"stop"}',
        '\ufeff{"type":"abort"}',
        '{"type":"abort"}\x00',
    ],
)
def test_what_cannot_be_read_is_malformed_and_keeps_its_text(text: str) -> None:
    message = parse_device_message(text)
    assert isinstance(message, Malformed)
    assert message.text == text
    assert message.detail


@pytest.mark.parametrize("opener", ["[", '{"a":'])
@pytest.mark.parametrize("kind", ["custom", "nobody_knows"])
@pytest.mark.parametrize("depth", [MAX_CONTAINERS, 1_000, 30_000])
def test_deep_nesting_is_malformed(opener: str, kind: str, depth: int) -> None:
    message = parse_device_message(f'{{"type":"{kind}","payload":' + opener * depth)
    assert isinstance(message, Malformed)


def test_the_deepest_payload_that_is_let_in_can_be_sent_back() -> None:
    depth = MAX_CONTAINERS - 1
    text = '{"type":"custom","payload":' + "[" * depth + "]" * depth + "}"
    message = parse_device_message(text)
    assert isinstance(message, Custom)
    assert encode_server_message(message) == text


def test_a_message_of_more_containers_than_allowed_is_malformed() -> None:
    text = '{"type":"custom","payload":[' + ",".join(["[]"] * MAX_CONTAINERS) + "]}"
    message = parse_device_message(text)
    assert isinstance(message, Malformed)
    assert str(MAX_CONTAINERS) in message.detail


def test_of_a_duplicate_key_the_last_one_counts() -> None:
    text = '{"type":"listen","state":"start","state":"stop"}'
    assert parse_device_message(text) == Listen("stop")


def test_an_integer_beyond_64_bits_survives_the_way_back() -> None:
    text = '{"type":"custom","payload":340282366920938463463374607431768211456}'
    message = parse_device_message(text)
    assert isinstance(message, Custom)
    assert encode_server_message(message) == text


@given(st.text())
def test_no_text_at_all_raises(text: str) -> None:
    message = parse_device_message(text)
    assert isinstance(message, Malformed)
    assert isinstance(parse_server_message(text), Malformed)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)
_KEYS = st.sampled_from(
    [
        "type",
        "state",
        "mode",
        "text",
        "version",
        "features",
        "transport",
        "audio_params",
        "payload",
        "session_id",
        "reason",
        "command",
        "emotion",
        "status",
        "message",
    ]
)
_KINDS = st.sampled_from(
    ["hello", "listen", "abort", "mcp", "custom", "tts", "stt", "llm", "alert", "system", "x"]
)


@given(st.dictionaries(_KEYS, _JSON), _KINDS)
def test_no_object_at_all_raises_and_what_was_read_can_be_encoded(
    fields: dict[str, Any], kind: str
) -> None:
    text = json.dumps(fields | {"type": kind})
    from_device = parse_device_message(text)
    if not isinstance(from_device, Unknown | Malformed):
        assert parse_device_message(encode_device_message(from_device)) == from_device
    from_server = parse_server_message(text)
    if not isinstance(from_server, Unknown | Malformed):
        assert parse_server_message(encode_server_message(from_server)) == from_server


SERVER_TEXTS: list[tuple[ServerMessage, dict[str, Any]]] = [
    (
        ServerHello(session_id="s", audio_params=AudioParams(sample_rate=24_000)),
        {
            "type": "hello",
            "version": 1,
            "transport": "websocket",
            "session_id": "s",
            "audio_params": {
                "format": "opus",
                "sample_rate": 24_000,
                "channels": 1,
                "frame_duration": 60,
            },
        },
    ),
    (Tts("start"), {"type": "tts", "state": "start"}),
    (
        Tts("sentence_start", "你好", "s"),
        {"type": "tts", "state": "sentence_start", "text": "你好", "session_id": "s"},
    ),
    (Stt("hi"), {"type": "stt", "text": "hi"}),
    (Llm(emotion="happy", text="😀"), {"type": "llm", "emotion": "happy", "text": "😀"}),
    (
        Alert(status="s", message="m", emotion="sad"),
        {"type": "alert", "status": "s", "message": "m", "emotion": "sad"},
    ),
    (Mcp({"id": 1}), {"type": "mcp", "payload": {"id": 1}}),
    (Custom(None), {"type": "custom", "payload": None}),
    (System("reboot"), {"type": "system", "command": "reboot"}),
]


@pytest.mark.parametrize(("message", "fields"), SERVER_TEXTS)
def test_each_server_message_has_the_firmware_names_and_reads_back(
    message: ServerMessage, fields: dict[str, Any]
) -> None:
    text = encode_server_message(message)
    assert json.loads(text) == fields
    assert parse_server_message(text) == message


def test_a_server_message_of_unknown_type_is_unknown_to_the_client_role() -> None:
    text = '{"type":"keepalive"}'
    assert parse_server_message(text) == Unknown(type="keepalive", text=text)


def test_a_device_message_is_written_with_the_firmware_names() -> None:
    assert json.loads(encode_device_message(Listen("start", mode="manual", session_id="s"))) == {
        "type": "listen",
        "state": "start",
        "mode": "manual",
        "session_id": "s",
    }
    assert json.loads(encode_device_message(Hello(audio_params=AudioParams()))) == {
        "type": "hello",
        "version": 1,
        "features": {},
        "transport": "websocket",
        "audio_params": {
            "format": "opus",
            "sample_rate": 16_000,
            "channels": 1,
            "frame_duration": 60,
        },
    }
