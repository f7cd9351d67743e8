"""What a whole control frame says (RFC 6455 §5.5)."""

from __future__ import annotations

from keepline.errors import ProtocolError
from keepline.wire.events import Close, Ping, Pong
from keepline.wire.frames import Opcode

# §7.4.1 and the IANA registry: 1004-1006 and 1015 must not appear on the wire, the rest of
# 1000-2999 is not assigned; 3000-4999 belong to libraries and applications.
_REGISTERED_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
_PRIVATE_CODES = range(3000, 5000)


def control_event(opcode: int, payload: bytes) -> Ping | Pong | Close:
    """Return the event of a control frame.

    Raises ProtocolError for an unusable close payload, UnicodeDecodeError for its reason.
    """
    if opcode == Opcode.PONG:
        return Pong(payload)
    if opcode == Opcode.PING:
        return Ping(payload)
    return _close(payload)


def _close(payload: bytes) -> Close:
    if not payload:
        return Close(None, "")
    if len(payload) == 1:
        raise ProtocolError("close frame holds half a code")
    code, reason = int.from_bytes(payload[:2]), payload[2:].decode()
    if code not in _REGISTERED_CODES and code not in _PRIVATE_CODES:
        raise ProtocolError("close code is not one that may be sent")
    return Close(code, reason)
