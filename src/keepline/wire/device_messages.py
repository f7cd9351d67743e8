"""What a device says in JSON, and what either side may say; field names are the firmware's."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 (msgspec reads the annotations)
from typing import Any, Literal, TypeAlias

import msgspec

Feature: TypeAlias = Literal["mcp", "aec", "glyph_push", "ack", "resume", "reconnect"]
ListenState: TypeAlias = Literal["start", "stop", "detect"]
ListenMode: TypeAlias = Literal["auto", "manual", "realtime"]


class AudioParams(msgspec.Struct, frozen=True, gc=False):
    """How one direction's audio is coded; the defaults are what the firmware records."""

    format: str = "opus"
    sample_rate: int = 16_000
    channels: int = 1
    frame_duration: int = 60


class TextFont(msgspec.Struct, frozen=True, gc=False):
    """The font a device draws with: which characters it has, and how missing ones are sent."""

    bundle: str
    charset: str
    size: int
    bpp: int


class Hello(
    msgspec.Struct, tag_field="type", tag="hello", frozen=True, gc=False, omit_defaults=True
):
    """Device's first message; `features` is read-only, and what was not said is empty or None.

    Browsers say `device_id`, `device_name` and `device_mac` instead of the rest. They repeat their
    token here, too: it has done its work in the upgrade, and is not kept.
    """

    version: int | None = None
    features: Mapping[str, Any] = {}
    transport: str = ""
    audio_params: AudioParams | None = None
    text_font: TextFont | None = None
    device_id: str = ""
    device_name: str = ""
    device_mac: str = ""

    def has(self, feature: Feature) -> bool:
        """Return whether the device says that it has `feature`."""
        return self.features.get(feature) is True


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


class Goodbye(
    msgspec.Struct, tag_field="type", tag="goodbye", frozen=True, gc=False, omit_defaults=True
):
    """The conversation is over, said by devices whose other transport is MQTT; closes nothing."""

    session_id: str = ""


class Ack(msgspec.Struct, tag_field="type", tag="ack", frozen=True, gc=False):
    """A message with this id has come; said by clients whose hello has the feature `ack`."""

    message_id: str


class ServerOrder(
    msgspec.Struct, tag_field="type", tag="server", frozen=True, gc=False, omit_defaults=True
):
    """An order of an older server's console to that server. Never obeyed, its secret not kept."""

    action: str = ""


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
    message_id: str = ""


class Iot(
    msgspec.Struct,
    tag_field="type",
    tag="iot",
    frozen=True,
    gc=False,
    omit_defaults=True,
    kw_only=True,
):
    """What older firmware has instead of `mcp`: it describes its things, `commands` move them."""

    descriptors: Any = None
    states: Any = None
    commands: Any = None
    update: bool = False
    session_id: str = ""


class Ping(msgspec.Struct, tag_field="type", tag="ping", frozen=True, gc=False):
    """A browser cannot send a WebSocket ping; the gateway itself answers this one."""


class Pong(msgspec.Struct, tag_field="type", tag="pong", frozen=True, gc=False):
    """The answer to a `Ping`, either way."""
