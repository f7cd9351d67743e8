from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.wire.messages import (
    DEVICE_TYPES,
    MAX_CONTAINERS,
    SERVER_TYPES,
    Abort,
    Ack,
    Alert,
    AudioParams,
    Custom,
    Glyph,
    GlyphPush,
    Goodbye,
    Hello,
    Iot,
    Listen,
    Llm,
    Malformed,
    Mcp,
    Ping,
    Pong,
    ServerHello,
    ServerMessage,
    ServerOrder,
    Stt,
    System,
    TextFont,
    Tts,
    Unknown,
    encode_device_message,
    encode_server_message,
    parse_device_message,
    parse_server_message,
)

FIRMWARE_HELLO = (
    '{"type":"hello","version":1,"features":{"mcp":true,"glyph_push":true},'
    '"text_font":{"bundle":"noto-v1","charset":"common","size":20,"bpp":4},'
    '"transport":"websocket",'
    '"audio_params":{"format":"opus","sample_rate":16000,"channels":1,"frame_duration":60}}'
)


def test_the_firmware_hello_is_read_with_every_field() -> None:
    assert parse_device_message(FIRMWARE_HELLO) == Hello(
        version=1,
        features={"mcp": True, "glyph_push": True},
        transport="websocket",
        audio_params=AudioParams("opus", 16_000, 1, 60),
        text_font=TextFont("noto-v1", "common", 20, 4),
    )


def test_a_hello_is_written_as_it_was_read() -> None:
    message = parse_device_message(FIRMWARE_HELLO)
    assert isinstance(message, Hello)
    assert json.loads(encode_device_message(message)) == json.loads(FIRMWARE_HELLO)


def test_a_browser_hello_without_version_transport_and_audio_is_a_hello() -> None:
    text = '{"type":"hello","device_id":"a","device_name":"b","device_mac":"c","token":"d"}'
    hello = Hello(device_id="a", device_name="b", device_mac="c")
    assert parse_device_message(text) == hello
    assert hello.version is None
    assert hello.audio_params is None


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
        ('{"session_id":"s","type":"goodbye"}', Goodbye(session_id="s")),
        (
            '{"session_id":"","type":"iot","update":true,"descriptors":[{"name":"Lamp"}]}',
            Iot(update=True, descriptors=[{"name": "Lamp"}]),
        ),
        ('{"type":"iot","states":[{"name":"Lamp"}]}', Iot(states=[{"name": "Lamp"}])),
        ('{"type":"ack","message_id":"s-1"}', Ack("s-1")),
        ('{"type":"ping","timestamp":1}', Ping()),
        ('{"type":"pong"}', Pong()),
    ],
)
def test_each_device_message_is_read_into_its_type(text: str, message: object) -> None:
    assert parse_device_message(text) == message


def test_fields_nobody_knows_are_ignored_wherever_they_stand() -> None:
    text = '{"state":"stop","extra":{"deep":[1]},"type":"listen"}'
    assert parse_device_message(text) == Listen("stop")


def test_the_secret_of_an_order_to_an_older_server_is_not_kept() -> None:
    text = '{"type":"server","action":"restart","content":{"secret":"s3cret"}}'
    message = parse_device_message(text)
    assert message == ServerOrder("restart")
    assert "s3cret" not in repr(message)


def test_no_type_is_missing_among_those_that_are_known() -> None:
    both = {"hello", "mcp", "custom", "iot", "ping", "pong"}
    assert both | {"listen", "abort", "goodbye", "server", "ack"} == DEVICE_TYPES
    assert both | {"tts", "stt", "llm", "alert", "system", "reconnect"} == SERVER_TYPES


@pytest.mark.parametrize("kind", ["", "HELLO", "tts", "hello ", "speak_request"])
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
        '{"type":"hello","version":1e999}',
        '{"type":"hello","features":[]}',
        '{"type":"hello","audio_params":{"sample_rate":"x"}}',
        '{"type":"listen"}',
        '{"type":"listen","state":"paused"}',
        '{"type":"listen","state":"start","mode":"telepathy"}',
        '{"type":"mcp"}',
        '{"type":"iot","update":1}',
        '{"type":"goodbye","session_id":null}',
        '{"type":"server","action":[]}',
        '{"type":"hello","text_font":{}}',
        '{"type":"hello","device_id":1}',
        '{"type":"custom","payload":Infinity}',
        '{"type":"custom","payload":-NaN}',
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


@pytest.mark.parametrize("number", ["9" * 4_300, "-" + "9" * 4_299])
def test_the_longest_number_that_python_converts_is_read(number: str) -> None:
    message = parse_device_message(f'{{"type":"custom","payload":{number}}}')
    assert isinstance(message, Custom)
    assert encode_server_message(message) == f'{{"type":"custom","payload":{number}}}'


@pytest.mark.parametrize("digits", [4_301, 60_000, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_longer_number_is_malformed_and_costs_no_time(digits: int, sign: str) -> None:
    """To convert one takes quadratic time, so Python itself refuses beyond 4,300 digits."""
    message = parse_device_message('{"type":"custom","payload":' + sign + "9" * digits + "}")
    assert isinstance(message, Malformed)


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
        "text_font",
        "glyph_push",
        "device_id",
        "descriptors",
        "update",
        "action",
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
_KINDS = st.sampled_from(sorted({*map(str, DEVICE_TYPES | SERVER_TYPES), "x"}))


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
    (Tts("sentence_end"), {"type": "tts", "state": "sentence_end"}),
    (Tts("stop"), {"type": "tts", "state": "stop"}),
    (
        Tts("sentence_start", "你好", "s"),
        {"type": "tts", "state": "sentence_start", "text": "你好", "session_id": "s"},
    ),
    (Stt("hi"), {"type": "stt", "text": "hi"}),
    (
        Stt(
            "㐂",
            glyph_push=GlyphPush(
                bundle="noto-v1",
                size=20,
                bpp=4,
                glyphs=[
                    Glyph(
                        codepoint=0x3402,
                        adv_w=320,
                        box_w=1,
                        box_h=2,
                        ofs_x=-1,
                        ofs_y=0,
                        bitmap="/w==",
                    )
                ],
            ),
        ),
        {
            "type": "stt",
            "text": "㐂",
            "glyph_push": {
                "v": 1,
                "bundle": "noto-v1",
                "size": 20,
                "bpp": 4,
                "glyphs": [
                    {
                        "codepoint": 0x3402,
                        "adv_w": 320,
                        "box_w": 1,
                        "box_h": 2,
                        "ofs_x": -1,
                        "ofs_y": 0,
                        "bitmap": "/w==",
                    }
                ],
            },
        },
    ),
    (Llm(emotion="happy", text="😀"), {"type": "llm", "emotion": "happy", "text": "😀"}),
    (
        Alert(status="s", message="m", emotion="sad"),
        {"type": "alert", "status": "s", "message": "m", "emotion": "sad"},
    ),
    (Mcp({"id": 1}), {"type": "mcp", "payload": {"id": 1}}),
    (Custom(None), {"type": "custom", "payload": None}),
    (System("reboot"), {"type": "system", "command": "reboot"}),
    (Iot(commands=[{"name": "Lamp"}]), {"type": "iot", "commands": [{"name": "Lamp"}]}),
    (Pong(), {"type": "pong"}),
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
    assert json.loads(encode_device_message(Hello(version=1, audio_params=AudioParams()))) == {
        "type": "hello",
        "version": 1,
        "audio_params": {
            "format": "opus",
            "sample_rate": 16_000,
            "channels": 1,
            "frame_duration": 60,
        },
    }
