"""Fuzz what devices say: `python fuzz/fuzz_messages.py --seconds 10 --seed 1`.

The first byte of an input says what the rest is: a binary message in one of the three audio
versions, the JSON text of a device, that of a server, or a hello.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import engine

from keepline.errors import HelloError, InvalidDataError
from keepline.wire.audio import VERSIONS, pack, unpack
from keepline.wire.hello import read_hello, settle_version
from keepline.wire.messages import (
    DEVICE_TYPES,
    SERVER_TYPES,
    Malformed,
    Unknown,
    encode_device_message,
    encode_server_message,
    parse_device_message,
    parse_server_message,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

_HEAD_BYTES = {1: 0, 2: 16, 3: 4}


def check(data: bytes) -> Hashable:
    """Read one message; returns in short what came of it."""
    if not data:
        return None
    kind, rest = data[0] % 6, data[1:]
    if kind < len(VERSIONS):
        return _audio(rest, VERSIONS[kind])
    # Lone surrogates are let through: what cannot come by WebSocket can come from our own code.
    text = rest.decode("utf-8", "surrogateescape")
    return (_device, _server, _hello)[kind - len(VERSIONS)](text)


def _audio(message: bytes, version: int) -> Hashable:
    try:
        packet = unpack(message, version)
    except InvalidDataError as error:
        return version, _in_general(error.detail)
    payload = packet.payload
    assert payload, "nothing passed for a packet"
    size = len(payload.encode() if isinstance(payload, str) else payload)
    assert size == len(message) - _HEAD_BYTES[version], "bytes are lost or made up"
    if isinstance(payload, bytes):
        again = unpack(pack(payload, version, packet.timestamp_ms), version)
        assert again == packet, "it does not come out as it went in"
    return version, type(payload)


def _device(text: str) -> Hashable:
    message = parse_device_message(text)
    if isinstance(message, Unknown | Malformed):
        return _unreadable(message, text, DEVICE_TYPES)
    assert parse_device_message(encode_device_message(message)) == message
    return type(message)


def _server(text: str) -> Hashable:
    message = parse_server_message(text)
    if isinstance(message, Unknown | Malformed):
        return _unreadable(message, text, SERVER_TYPES)
    assert parse_server_message(encode_server_message(message)) == message
    return type(message)


def _unreadable(message: Unknown | Malformed, text: str, known: frozenset[object]) -> Hashable:
    assert message.text == text
    if isinstance(message, Unknown):
        assert message.type not in known
        return Unknown
    return _in_general(message.detail)


def _in_general(detail: str) -> str:
    """Return a complaint without what differs from one input to the next."""
    return re.sub(r"\d+|['`\"].*", "", detail)


def _hello(text: str) -> Hashable:
    try:
        hello = read_hello(text)
    except HelloError as error:
        return _in_general(error.detail)
    assert settle_version(hello, 1).version in VERSIONS
    return hello.version, hello.audio_params is None, hello.text_font is None


_TEXTS = [
    '{"type":"hello","version":1,"audio_params":{"format":"opus","sample_rate":16000}}',
    '{"type":"hello","features":{"mcp":true,"glyph_push":false},"transport":"websocket"}',
    '{"type":"hello","text_font":{"bundle":"noto-v1","charset":"common","size":20,"bpp":4}}',
    '{"type":"hello","device_id":"a","device_name":"b","device_mac":"c","token":"d"}',
    '{"session_id":"","type":"listen","state":"start","mode":"auto"}',
    '{"session_id":"s","type":"listen","state":"detect","text":"hi"}',
    '{"type":"abort","reason":"wake_word_detected"}',
    '{"type":"mcp","payload":{"jsonrpc":"2.0","id":1,"result":{}}}',
    '{"type":"iot","update":true,"descriptors":[{"name":"Lamp"}]}',
    '{"type":"server","action":"restart","content":{"secret":"s"}}',
    '{"type":"goodbye"}',
    '{"type":"ping"}',
    '{"type":"tts","state":"sentence_start","text":"hi"}',
    '{"type":"stt","text":"a","glyph_push":{"v":1,"bundle":"b","size":1,"bpp":1,"glyphs":[]}}',
    '{"type":"alert","status":"a","message":"b","emotion":"c"}',
    '{"type":"system","command":"reboot"}',
    '{"type":"custom","payload":[null,1e3,-0.0,{"a":"\\u00e9"}]}',
]
TOKENS = [
    *(f'"{name}":'.encode() for name in ("type", "state", "payload", "version", "audio_params")),
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"NaN",
    b"null",
    b"true",
    b"1e999",
    b"-1",
    b"9" * 4_400,
    b"[" * 600,
    b'{"a":' * 30,
    b",",
    b"}",
    b"\x00\x02\x00\x00",
    b"\x00\x00\x00\x01",
]
CORPUS = [
    *(bytes((VERSIONS.index(version),)) + pack(b"\x58frame", version, 7) for version in VERSIONS),
    b"\x01\x00\x02\x00\x01" + bytes(8) + b"\x00\x00\x00\x02{}",
    b"\x02\x01\x00\x00\x02{}",
    *(bytes((kind,)) + text.encode() for kind in (3, 4, 5) for text in _TEXTS),
]

if __name__ == "__main__":
    engine.main(check, CORPUS, TOKENS)
