"""What a server says to a device in JSON; field names are the firmware's."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from keepline.wire.device_messages import AudioParams  # noqa: TC001 (msgspec reads annotations)

Resume: TypeAlias = Literal["new", "resumed", "expired"]
TtsState: TypeAlias = Literal["start", "sentence_start", "sentence_end", "stop"]


class ServerHello(
    msgspec.Struct, tag_field="type", tag="hello", frozen=True, gc=False, kw_only=True
):
    """The answer to a hello. The firmware crashes without `transport`, so it is always sent.

    `resume` is for clients whose hello has the feature of that name.
    """

    session_id: str = ""
    version: int = 1
    transport: str = "websocket"
    audio_params: AudioParams | None = None
    resume: Resume | msgspec.UnsetType = msgspec.UNSET


class Glyph(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One character as a picture; sizes in pixels, 64 at most, `bitmap` in base64."""

    codepoint: int
    adv_w: int
    box_w: int
    box_h: int
    ofs_x: int
    ofs_y: int
    bitmap: str


class GlyphPush(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Characters that the device's font lacks, 64 at most; the rest as its `TextFont` says."""

    v: int = 1
    bundle: str
    size: int
    bpp: int
    glyphs: list[Glyph]


class Tts(msgspec.Struct, tag_field="type", tag="tts", frozen=True, gc=False, omit_defaults=True):
    """Speaking starts, says `text` (a subtitle), stops. Audio plays only between start and stop.

    Browsers use `sentence_end`; the firmware ignores it.
    """

    state: TtsState
    text: str | None = None
    session_id: str = ""
    glyph_push: GlyphPush | None = None


class Stt(msgspec.Struct, tag_field="type", tag="stt", frozen=True, gc=False, omit_defaults=True):
    """What the device's user was understood to say."""

    text: str
    session_id: str = ""
    glyph_push: GlyphPush | None = None


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
    message_id: str = ""


class System(
    msgspec.Struct, tag_field="type", tag="system", frozen=True, gc=False, omit_defaults=True
):
    """An order to the device itself; the firmware knows `reboot` alone."""

    command: str
    session_id: str = ""
    message_id: str = ""


class Reconnect(
    msgspec.Struct, tag_field="type", tag="reconnect", frozen=True, gc=False, omit_defaults=True
):
    """The gateway leaves: connect again in `after_ms`, to `url` (empty: where it was).

    For clients whose hello has the feature `reconnect`, or whose profile says so.
    """

    after_ms: int
    url: str = ""
