"""What a `FrameReader` finds in the bytes it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from keepline.errors import PeerError


class Text(msgspec.Struct, frozen=True, gc=False):
    """A whole text message."""

    text: str


class Binary(msgspec.Struct, frozen=True, gc=False):
    """A whole binary message."""

    data: bytes


class Ping(msgspec.Struct, frozen=True, gc=False):
    """A ping; a pong with the same data is due (RFC 6455 §5.5.2)."""

    data: bytes


class Pong(msgspec.Struct, frozen=True, gc=False):
    """A pong, asked for or not."""

    data: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """The peer closes; `code` is None when it gave none. Nothing follows."""

    code: int | None
    reason: str


class Violation(msgspec.Struct, frozen=True, gc=False):
    """The peer broke a rule or a limit; `error.reason` says how to close. Nothing follows."""

    error: PeerError


Event: TypeAlias = Text | Binary | Ping | Pong | Close | Violation
