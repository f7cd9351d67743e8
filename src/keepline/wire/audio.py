"""Binary messages of the device protocol, in its three versions, from and to Opus frames."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from keepline.errors import InvalidDataError

VERSIONS: Final = (1, 2, 3)

# Both in network byte order. 2: version, type, reserved, timestamp in ms, size of the payload.
# 3: type, reserved, size.
_HEAD_2: Final = Struct("!HHIII")
_HEAD_3: Final = Struct("!BBH")
_OPUS: Final = 0
_JSON: Final = 1
_U16: Final = 0xFFFF
_U32: Final = 0xFFFF_FFFF


class Packet(NamedTuple):
    """What a binary message holds: an Opus frame as bytes, or a JSON message as text.

    `timestamp_ms` is 0 in versions 1 and 3, which have none.
    """

    payload: bytes | str
    timestamp_ms: int = 0


def pack(frame: bytes, version: int, timestamp_ms: int = 0) -> bytes:
    """Return the binary message that carries an Opus frame.

    Version 2 alone has room for a timestamp, of which it carries the low 32 bits. Raises
    ValueError for an empty frame, a version that is none, and a frame beyond 65,535 bytes in
    version 3, whose size field ends there.
    """
    if not frame:
        raise ValueError("an audio frame is never empty")
    if version == 1:
        return frame
    if version == 2:  # noqa: PLR2004 (the versions have no other names)
        return _HEAD_2.pack(2, _OPUS, 0, timestamp_ms & _U32, len(frame)) + frame
    if version == 3:  # noqa: PLR2004
        if len(frame) > _U16:
            raise ValueError(f"audio version 3 holds {_U16} bytes a frame, not {len(frame)}")
        return _HEAD_3.pack(_OPUS, 0, len(frame)) + frame
    raise ValueError(f"audio version is 1, 2 or 3, not {version}")


def unpack(message: bytes, version: int) -> Packet:
    """Return what a binary message holds; what it says of itself must fit to the last byte.

    Raises InvalidDataError for a message that does not, ValueError for a version that is none.
    """
    if version == 1:
        if not message:
            raise InvalidDataError("audio message is empty")
        return Packet(message)
    if version == 2:  # noqa: PLR2004
        return _unpack_2(message)
    if version == 3:  # noqa: PLR2004
        return _unpack_3(message)
    raise ValueError(f"audio version is 1, 2 or 3, not {version}")


def _unpack_2(message: bytes) -> Packet:
    if len(message) < _HEAD_2.size:
        raise InvalidDataError("audio message is shorter than its header")
    version, kind, _, timestamp_ms, size = _HEAD_2.unpack_from(message)
    if version != 2:  # noqa: PLR2004
        raise InvalidDataError(f"audio message of version {version} in a session of version 2")
    return Packet(_payload(message, _HEAD_2.size, kind, size), timestamp_ms)


def _unpack_3(message: bytes) -> Packet:
    if len(message) < _HEAD_3.size:
        raise InvalidDataError("audio message is shorter than its header")
    kind, _, size = _HEAD_3.unpack_from(message)
    return Packet(_payload(message, _HEAD_3.size, kind, size))


def _payload(message: bytes, start: int, kind: int, size: int) -> bytes | str:
    if size != len(message) - start:
        raise InvalidDataError(f"audio message of {len(message) - start} bytes says {size}")
    if not size:
        raise InvalidDataError("audio message is empty")
    payload = message[start:]
    if kind == _OPUS:
        return payload
    if kind != _JSON:
        raise InvalidDataError(f"audio message of unknown type {kind}")
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise InvalidDataError("JSON in an audio message is not UTF-8") from None
