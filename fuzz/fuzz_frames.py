"""Fuzz the frame reader: `python fuzz/fuzz_frames.py --seconds 10 --seed 1`.

Of an input, the first four bytes choose the role, the limits and where the rest, a stream of
frames, is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import engine

from keepline.wire.events import Binary, Close, Event, Ping, Pong, Text, Violation
from keepline.wire.frames import Opcode, close_frame, close_payload, encode, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader

if TYPE_CHECKING:
    from collections.abc import Hashable

_CHOICES = 4
_CONTROL_BYTES = 125
_CODES = range(1000, 5000)
_PARTIAL_FRAME_BYTES = 14 + _CONTROL_BYTES  # a header, or a control frame not quite whole
_LIMITS = [
    Limits(),
    Limits(message_bytes=1, message_fragments=1, frames_per_turn=1),
    Limits(message_bytes=125, message_fragments=2, frames_per_turn=2),
    Limits(message_bytes=126, message_fragments=3, frames_per_turn=3),
    Limits(message_bytes=300, message_fragments=4, frames_per_turn=64),
]


def check(data: bytes) -> Hashable:
    """Read a stream whole and in pieces; returns the kinds of events and the violation."""
    if len(data) < _CHOICES:
        return None
    masked, limits = bool(data[0] & 1), _LIMITS[data[1] % len(_LIMITS)]
    stream = data[_CHOICES:]
    whole = _read([stream], limits, masked=masked)
    pieces = engine.cut(stream, seed=data[2:_CHOICES])
    in_pieces = _read(pieces, limits, masked=masked)
    assert _plain(whole) == _plain(in_pieces), "the cuts make a difference"
    for event in whole:
        _check_event(event, limits)
    _check_round_trip([event for event in whole if not isinstance(event, Violation)], limits)
    return masked, tuple(
        event.error.detail if isinstance(event, Violation) else type(event).__name__
        for event in whole
    )


def _read(pieces: list[bytes], limits: Limits, *, masked: bool) -> list[Event]:
    reader = FrameReader(limits, masked=masked)
    events: list[Event] = []
    for piece in pieces:
        found = reader.receive(piece)
        assert len(found) <= limits.frames_per_turn, "more frames than a turn's worth"
        while reader.pending:
            bound = limits.message_bytes + _PARTIAL_FRAME_BYTES + len(piece)
            assert reader.buffered_bytes <= bound, "more buffered than given"
            events += found
            found = reader.receive(b"")
            assert len(found) <= limits.frames_per_turn, "more frames than a turn's worth"
        events += found
        bound = limits.message_bytes + _PARTIAL_FRAME_BYTES
        assert reader.buffered_bytes <= bound, "more buffered than the limits allow"
    last = events[-1] if events else None
    if isinstance(last, Close | Violation):
        assert reader.buffered_bytes == 0, "something is kept after the end"
        assert reader.receive(encode_masked(Opcode.PING, b"", bytes(4))) == []
    return events


def _plain(events: list[Event]) -> list[object]:
    return [
        (type(event.error), event.error.detail) if isinstance(event, Violation) else event
        for event in events
    ]


def _check_event(event: Event, limits: Limits) -> None:
    match event:
        case Text(text):
            assert len(text.encode()) <= limits.message_bytes
        case Binary(data):
            assert type(data) is bytes
            assert len(data) <= limits.message_bytes
        case Ping(data) | Pong(data):
            assert len(data) <= _CONTROL_BYTES
        case Close(code, reason):
            assert code is None or code in _CODES
            assert len(reason.encode()) <= _CONTROL_BYTES - 2
        case Violation(error):
            assert error.reason.code in (1002, 1007, 1009)
            assert error.__traceback__ is None


def _check_round_trip(events: list[Event], limits: Limits) -> None:
    stream = b"".join(_encode(event) for event in events)
    assert _read([stream], limits, masked=False) == events, "encoded and read again, it differs"


def _encode(event: Event) -> bytes:
    match event:
        case Text(text):
            return encode(Opcode.TEXT, text.encode())
        case Binary(data):
            return encode(Opcode.BINARY, data)
        case Ping(data):
            return encode(Opcode.PING, data)
        case Pong(data):
            return encode(Opcode.PONG, data)
        case Close(code, reason):
            return close_frame(code, reason)
    raise AssertionError(event)


_KEY = b"\x12\x34\x56\x78"
TOKENS = [
    *(encode_masked(opcode, b"ab", _KEY, fin=fin) for opcode in range(11) for fin in (True, False)),
    *(encode(opcode, b"ab") for opcode in (0, 1, 2, 8, 9, 10)),
    encode_masked(Opcode.TEXT, "é语🔊".encode(), _KEY),
    encode_masked(Opcode.TEXT, "é语🔊".encode()[:-1], bytes(4), fin=False),
    encode_masked(Opcode.CLOSE, close_payload(1000, "bye"), _KEY),
    encode_masked(Opcode.BINARY, bytes(126), _KEY),
    encode_masked(Opcode.BINARY, bytes(300), bytes(4), fin=False),
    b"\x82\xfe\x00\x7e",
    b"\x82\xff" + (1 << 16).to_bytes(8),
    b"\x82\xff" + ((1 << 63) - 1).to_bytes(8) + _KEY,
    b"\x82\xff\xff",
    b"\xed\xa0",
    b"\xf4\x90",
]
CORPUS = [
    bytes((role, limits, 0, limits)) + b"".join(TOKENS[start : start + 4])
    for role in (0, 1)
    for limits in range(len(_LIMITS))
    for start in range(0, len(TOKENS), 4)
]

if __name__ == "__main__":
    engine.main(check, CORPUS, TOKENS)
