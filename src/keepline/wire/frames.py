"""Frames to send (RFC 6455 §5.2): unmasked for the server's role, masked for the client's."""

from __future__ import annotations

from typing import Final

from keepline.wire.masking import apply_mask


class Opcode:
    """The opcodes in use; plain integers, because they are compared on the hottest path."""

    CONTINUATION: Final = 0x0
    TEXT: Final = 0x1
    BINARY: Final = 0x2
    CLOSE: Final = 0x8
    PING: Final = 0x9
    PONG: Final = 0xA


_FIN = 0x80
_MASK = 0x80
_SHORT = 125  # the longest payload whose length fits into the second byte; of control frames, too
_MEDIUM = 0xFFFF
_REASON_BYTES = 123  # what a close frame leaves for the reason, §5.5.1

_TEXT_HEADS = [bytes((_FIN | Opcode.TEXT, size)) for size in range(_SHORT + 1)]
_BINARY_HEADS = [bytes((_FIN | Opcode.BINARY, size)) for size in range(_SHORT + 1)]
_PING_HEADS = [bytes((_FIN | Opcode.PING, size)) for size in range(_SHORT + 1)]
_PONG_HEADS = [bytes((_FIN | Opcode.PONG, size)) for size in range(_SHORT + 1)]
_MASKED_BINARY_HEADS = [bytes((_FIN | Opcode.BINARY, _MASK | size)) for size in range(_SHORT + 1)]
_MEDIUM_BINARY = bytes((_FIN | Opcode.BINARY, 126))


def text_frame(text: str) -> bytes:
    """Encode one text message in one frame."""
    payload = text.encode()
    size = len(payload)
    if size <= _SHORT:
        return _TEXT_HEADS[size] + payload
    return encode(Opcode.TEXT, payload)


def binary_frame(data: bytes) -> bytes:
    """Encode one binary message in one frame."""
    size = len(data)
    if size <= _SHORT:
        return _BINARY_HEADS[size] + data
    if size <= _MEDIUM:
        return _MEDIUM_BINARY + size.to_bytes(2) + data
    return encode(Opcode.BINARY, data)


def ping_frame(payload: bytes) -> bytes:
    """Encode a ping with at most 125 bytes of payload; IndexError beyond."""
    return _PING_HEADS[len(payload)] + payload


def pong_frame(payload: bytes) -> bytes:
    """Encode the answer to a ping, at most 125 bytes of payload; IndexError beyond."""
    return _PONG_HEADS[len(payload)] + payload


def close_payload(code: int | None, reason: str = "") -> bytes:
    """Encode what a close frame carries; `reason` is cut between characters to fit (§5.5.1)."""
    if code is None:
        return b""
    encoded = reason.encode("utf-8", "replace")
    if len(encoded) > _REASON_BYTES:
        encoded = encoded[:_REASON_BYTES].decode("utf-8", "ignore").encode()
    return code.to_bytes(2) + encoded


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Encode a close frame; without a code there is no reason either."""
    return encode(Opcode.CLOSE, close_payload(code, reason))


def text_of(frame: bytes) -> str | None:
    """Return the message in a frame that `text_frame` made; None for any other frame."""
    if frame[0] != _FIN | Opcode.TEXT:
        return None
    size = frame[1]
    start = 2 if size <= _SHORT else 4 if size == 126 else 10  # noqa: PLR2004 (RFC 6455 §5.2)
    return frame[start:].decode()


def encode(opcode: int, payload: bytes) -> bytes:
    """Encode one whole unmasked frame."""
    return _head(_FIN | opcode, len(payload), 0) + payload


def masked_binary_frame(data: bytes, key: bytes) -> bytes:
    """Encode one binary message in one masked frame; `key` as in `encode_masked`."""
    size = len(data)
    if size <= _SHORT:
        return _MASKED_BINARY_HEADS[size] + key + apply_mask(data, key)
    return encode_masked(Opcode.BINARY, data, key)


def encode_masked(opcode: int, payload: bytes, key: bytes, *, fin: bool = True) -> bytes:
    """Encode one masked frame; `key` is four unpredictable bytes, new for each frame (§5.3)."""
    first = _FIN | opcode if fin else opcode
    return _head(first, len(payload), _MASK) + key + apply_mask(payload, key)


def _head(first: int, size: int, mask: int) -> bytes:
    if size <= _SHORT:
        return bytes((first, mask | size))
    if size <= _MEDIUM:
        return bytes((first, mask | 126)) + size.to_bytes(2)
    return bytes((first, mask | 127)) + size.to_bytes(8)
