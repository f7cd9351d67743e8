"""The device protocol's JSON messages from and to text, both ways.

Parsing never fails: what has an unknown `type` becomes `Unknown`, what cannot be read or has the
wrong shape becomes `Malformed`, and both carry their text untouched.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias, get_args

import msgspec

from keepline.wire.device_messages import (
    Abort,
    Ack,
    AudioParams,
    Custom,
    Feature,
    Goodbye,
    Hello,
    Iot,
    Listen,
    ListenMode,
    ListenState,
    Mcp,
    Ping,
    Pong,
    ServerOrder,
    TextFont,
)
from keepline.wire.server_messages import (
    Alert,
    Glyph,
    GlyphPush,
    Llm,
    Reconnect,
    ServerHello,
    Stt,
    System,
    Tts,
    TtsState,
)

# Arrays and objects in one message. A page of an MCP tool list (8,000 bytes) holds under 300; more
# turns 64 KiB of brackets into megabytes of values, and nests deeper than a reply can be encoded.
MAX_CONTAINERS: Final = 500


class Unknown(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A JSON object with a `type` this side does not know."""

    type: str
    text: str


class Malformed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Not JSON, no `type`, or a known `type` with the wrong fields; `detail` says which."""

    text: str
    detail: str


Unreadable: TypeAlias = Unknown | Malformed
KnownDeviceMessage: TypeAlias = (
    Hello | Listen | Abort | Mcp | Custom | Iot | Goodbye | ServerOrder | Ping | Pong | Ack
)
DeviceMessage: TypeAlias = KnownDeviceMessage | Unreadable
ServerMessage: TypeAlias = (
    ServerHello | Tts | Stt | Llm | Alert | Mcp | Custom | Iot | System | Ping | Pong | Reconnect
)


class _Envelope(msgspec.Struct, gc=False):
    type: str


_ENCODER: Final = msgspec.json.Encoder()
_DEVICE: Final[msgspec.json.Decoder[KnownDeviceMessage]] = msgspec.json.Decoder(KnownDeviceMessage)
_SERVER: Final[msgspec.json.Decoder[ServerMessage]] = msgspec.json.Decoder(ServerMessage)
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def _types(messages: Any) -> frozenset[object]:
    return frozenset(message.__struct_config__.tag for message in get_args(messages))


DEVICE_TYPES: Final = _types(KnownDeviceMessage)
SERVER_TYPES: Final = _types(ServerMessage)

# Deep nesting is a RecursionError; a lone surrogate a UnicodeEncodeError, which is a ValueError
# like every other complaint of the decoder.
_UNREADABLE: Final = (ValueError, RecursionError)


def parse_device_message(text: str) -> DeviceMessage:
    """Return what a device said; never raises, whatever `text` is."""
    if _too_many_containers(text):
        return Malformed(text=text, detail=f"more than {MAX_CONTAINERS} arrays and objects")
    try:
        return _DEVICE.decode(text)
    except _UNREADABLE as error:
        return _unreadable(text, error, DEVICE_TYPES)


def parse_server_message(text: str) -> ServerMessage | Unreadable:
    """Return what a server said, for the client role; never raises, whatever `text` is."""
    if _too_many_containers(text):
        return Malformed(text=text, detail=f"more than {MAX_CONTAINERS} arrays and objects")
    try:
        return _SERVER.decode(text)
    except _UNREADABLE as error:
        return _unreadable(text, error, SERVER_TYPES)


def encode_device_message(message: KnownDeviceMessage) -> str:
    """Return the JSON text of a device's message."""
    return _ENCODER.encode(message).decode()


def encode_server_message(message: ServerMessage) -> str:
    """Return the JSON text of a server's message.

    Raises TypeError or ValueError for a payload that is not JSON: a mistake of the application.
    """
    return _ENCODER.encode(message).decode()


def _too_many_containers(text: str) -> bool:
    return (
        len(text) > MAX_CONTAINERS  # usual messages are shorter and pay one comparison
        and text.count("[") + text.count("{") > MAX_CONTAINERS
    )


def _unreadable(text: str, error: Exception, known: frozenset[object]) -> Unreadable:
    try:
        kind = _ENVELOPE.decode(text).type
    except _UNREADABLE as worse:
        return Malformed(text=text, detail=str(worse))
    if kind in known:
        return Malformed(text=text, detail=str(error))
    return Unknown(type=kind, text=text)


__all__ = [
    "DEVICE_TYPES",
    "MAX_CONTAINERS",
    "SERVER_TYPES",
    "Abort",
    "Ack",
    "Alert",
    "AudioParams",
    "Custom",
    "DeviceMessage",
    "Feature",
    "Glyph",
    "GlyphPush",
    "Goodbye",
    "Hello",
    "Iot",
    "KnownDeviceMessage",
    "Listen",
    "ListenMode",
    "ListenState",
    "Llm",
    "Malformed",
    "Mcp",
    "Ping",
    "Pong",
    "Reconnect",
    "ServerHello",
    "ServerMessage",
    "ServerOrder",
    "Stt",
    "System",
    "TextFont",
    "Tts",
    "TtsState",
    "Unknown",
    "Unreadable",
    "encode_device_message",
    "encode_server_message",
    "parse_device_message",
    "parse_server_message",
]
