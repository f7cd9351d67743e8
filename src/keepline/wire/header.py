"""The head of one frame and what RFC 6455 §5.2 and §5.5 demand of it, whatever came before."""

from __future__ import annotations

from keepline.errors import ProtocolError
from keepline.wire.frames import Opcode

_FIN = 0x80
_RESERVED_BITS = 0x70
_CONTROL = 0x08
_SHORT = 125
_MEDIUM = 0xFFFF
_DATA_OPCODES = (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY)
_CONTROL_OPCODES = (Opcode.CLOSE, Opcode.PING, Opcode.PONG)


def read_header(data: bytes, at: int, mask: int) -> tuple[int, int, int] | None:
    """Return the first byte, the payload's length and where the payload begins.

    `mask` is the mask bit that the peer's role demands, 0x80 or 0. None while the header at `at` is
    not all there; raises ProtocolError as soon as the bytes that are there cannot be a header.
    """
    there = len(data) - at
    if there < 2:  # noqa: PLR2004 (the two bytes that every header has)
        return None
    first, second = data[at], data[at + 1]
    _check_start(first, second, mask)
    length = second & 0x7F
    start = at + 2
    if length > _SHORT:
        extended = 2 if length == _SHORT + 1 else 8
        start += extended
        if there < 2 + extended:
            return None
        length = _extended_length(data[at + 2 : start])
    if mask:
        start += 4
    return (first, length, start) if start <= len(data) else None


def _check_start(first: int, second: int, mask: int) -> None:
    if first & _RESERVED_BITS:
        raise ProtocolError("a reserved bit is set and no extension was agreed on")
    if second & 0x80 != mask:
        raise ProtocolError("frame is not masked" if mask else "frame is masked")
    opcode = first & 0x0F
    if opcode in _DATA_OPCODES:
        return
    if opcode not in _CONTROL_OPCODES:
        raise ProtocolError("unknown opcode")
    if not first & _FIN:
        raise ProtocolError("control frame is fragmented")
    if second & 0x7F > _SHORT:
        raise ProtocolError("control frame has an extended length")


def _extended_length(encoded: bytes) -> int:
    length = int.from_bytes(encoded)
    if length >> 63:
        raise ProtocolError("frame length has its highest bit set")
    if length <= (_SHORT if len(encoded) == 2 else _MEDIUM):  # noqa: PLR2004 (of 2 or 8 bytes)
        raise ProtocolError("frame length is not encoded in the fewest bytes")
    return length
