"""The device protocol's JSON messages as typed values, both ways; field names are the firmware's.

Parsing never fails: what has an unknown `type` becomes `Unknown`, what cannot be read or has the
wrong shape becomes `Malformed`, and both carry their text untouched.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 (msgspec reads the annotations)
from typing import Any, Final, Literal, TypeAlias

import msgspec

ListenState: TypeAlias = Literal["start", "stop", "detect"]
ListenMode: TypeAlias = Literal["auto", "manual", "realtime"]
TtsState: TypeAlias = Literal["start", "sentence_start", "stop"]

# Arrays and objects in one message. A page of an MCP tool list (8,000 bytes) holds under 300; more
# turns 64 KiB of brackets into megabytes of values, and nests deeper than a reply can be encoded.
MAX_CONTAINERS: Final = 500


class AudioParams(msgspec.Struct, frozen=True, gc=False):
    """How one direction's audio is coded; the defaults are what the firmware records."""

    format: str = "opus"
    sample_rate: int = 16_000
    channels: int = 1
    frame_duration: int = 60


class Hello(msgspec.Struct, tag_field="type", tag="hello", frozen=True, gc=False):
    """Device's first message. Browsers leave out all but `type`; `features` is read-only."""

    version: int = 1
    features: Mapping[str, Any] = {}
    transport: str = "websocket"
    audio_params: AudioParams | None = None


class Listen(
    msgspec.Struct, tag_field="type", tag="listen", frozen=True, gc=False, omit_defaults=True
):
    """Recording starts (in `mode`) or stops, or `text` (a wake word, typed text) was detected."""

    state: ListenState
    mode: ListenMode | None = None
    text: str | None = None
    session_id: str = ""


class Abort(
    msgspec.Struct, tag_field="type", tag="abort", frozen=True, gc=False, omit_defaults=True
):
    """Stop speaking; `reason` is `wake_word_detected` or absent."""

    reason: str | None = None
    session_id: str = ""


class Mcp(msgspec.Struct, tag_field="type", tag="mcp", frozen=True, gc=False, omit_defaults=True):
    """A JSON-RPC 2.0 object of the model context protocol, either way."""

    payload: Any
    session_id: str = ""


class Custom(
    msgspec.Struct, tag_field="type", tag="custom", frozen=True, gc=False, omit_defaults=True
):
    """A payload of the application's own, either way; any JSON value."""

    payload: Any
    session_id: str = ""


class ServerHello(
    msgspec.Struct, tag_field="type", tag="hello", frozen=True, gc=False, kw_only=True
):
    """The answer to a hello. The firmware crashes without `transport`, so it is always sent."""

    session_id: str
    version: int = 1
    transport: str = "websocket"
    audio_params: AudioParams


class Tts(msgspec.Struct, tag_field="type", tag="tts", frozen=True, gc=False, omit_defaults=True):
    """Speaking starts, says `text` (a subtitle), stops. Audio plays only between start and stop."""

    state: TtsState
    text: str | None = None
    session_id: str = ""


class Stt(msgspec.Struct, tag_field="type", tag="stt", frozen=True, gc=False, omit_defaults=True):
    """What the device's user was understood to say."""

    text: str
    session_id: str = ""


class Llm(
    msgspec.Struct,
    tag_field="type",
    tag="llm",
    frozen=True,
    gc=False,
    omit_defaults=True,
    kw_only=True,
):
    """The face to make: `emotion` by name, `text` usually an emoji."""

    emotion: str
    text: str | None = None
    session_id: str = ""


class Alert(
    msgspec.Struct,
    tag_field="type",
    tag="alert",
    frozen=True,
    gc=False,
    omit_defaults=True,
    kw_only=True,
):
    """A notice on the device's screen, with a vibration. The firmware needs all three."""

    status: str
    message: str
    emotion: str
    session_id: str = ""


class System(
    msgspec.Struct, tag_field="type", tag="system", frozen=True, gc=False, omit_defaults=True
):
    """An order to the device itself; the firmware knows `reboot` alone."""

    command: str
    session_id: str = ""


class Unknown(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A JSON object with a `type` this side does not know."""

    type: str
    text: str


class Malformed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Not JSON, no `type`, or a known `type` with the wrong fields; `detail` says which."""

    text: str
    detail: str


Unreadable: TypeAlias = Unknown | Malformed
KnownDeviceMessage: TypeAlias = Hello | Listen | Abort | Mcp | Custom
DeviceMessage: TypeAlias = KnownDeviceMessage | Unreadable
ServerMessage: TypeAlias = ServerHello | Tts | Stt | Llm | Alert | Mcp | Custom | System


class _Envelope(msgspec.Struct, gc=False):
    type: str


_ENCODER: Final = msgspec.json.Encoder()
_DEVICE: Final[msgspec.json.Decoder[KnownDeviceMessage]] = msgspec.json.Decoder(KnownDeviceMessage)
_SERVER: Final[msgspec.json.Decoder[ServerMessage]] = msgspec.json.Decoder(ServerMessage)
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)

_DEVICE_TYPES: Final = frozenset({"hello", "listen", "abort", "mcp", "custom"})
_SERVER_TYPES: Final = frozenset({"hello", "tts", "stt", "llm", "alert", "mcp", "custom", "system"})

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
        return _unreadable(text, error, _DEVICE_TYPES)


def parse_server_message(text: str) -> ServerMessage | Unreadable:
    """Return what a server said, for the client role; never raises, whatever `text` is."""
    if _too_many_containers(text):
        return Malformed(text=text, detail=f"more than {MAX_CONTAINERS} arrays and objects")
    try:
        return _SERVER.decode(text)
    except _UNREADABLE as error:
        return _unreadable(text, error, _SERVER_TYPES)


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


def _unreadable(text: str, error: Exception, known: frozenset[str]) -> Unreadable:
    try:
        kind = _ENVELOPE.decode(text).type
    except _UNREADABLE as worse:
        return Malformed(text=text, detail=str(worse))
    if kind in known:
        return Malformed(text=text, detail=str(error))
    return Unknown(type=kind, text=text)
