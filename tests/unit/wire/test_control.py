"""Control frames between and inside messages, and what a close may say (RFC 6455 §5.5, §7.4)."""

from __future__ import annotations

import pytest

from keepline.errors import InvalidDataError, ProtocolError
from keepline.wire.events import Binary, Close, Event, Ping, Pong, Text, Violation
from keepline.wire.frames import Opcode, close_payload, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader

KEY = b"\x9a\x01\xfe\x33"


def read(*frames: bytes) -> list[Event]:
    return FrameReader(Limits(), masked=True).receive(b"".join(frames))


def close(payload: bytes) -> bytes:
    return encode_masked(Opcode.CLOSE, payload, KEY)


@pytest.mark.parametrize("size", [0, 1, 10, 125])
def test_pings_and_pongs_keep_their_payload(size: int) -> None:
    payload = bytes(range(size))
    assert read(encode_masked(Opcode.PING, payload, KEY)) == [Ping(payload)]
    assert read(encode_masked(Opcode.PONG, payload, KEY)) == [Pong(payload)]


def test_control_frames_between_fragments_come_out_before_the_message() -> None:
    assert read(
        encode_masked(Opcode.TEXT, b"ab", KEY, fin=False),
        encode_masked(Opcode.PING, b"1", KEY),
        encode_masked(Opcode.CONTINUATION, b"cd", KEY, fin=False),
        encode_masked(Opcode.PONG, b"2", KEY),
        encode_masked(Opcode.CONTINUATION, b"ef", KEY),
    ) == [Ping(b"1"), Pong(b"2"), Text("abcdef")]


def test_a_close_may_be_empty() -> None:
    assert read(close(b"")) == [Close(None, "")]


@pytest.mark.parametrize(
    "code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4001, 4999]
)
def test_a_close_may_carry_a_registered_or_private_code(code: int) -> None:
    assert read(close(close_payload(code))) == [Close(code, "")]
    assert read(close(close_payload(code, "tschüß"))) == [Close(code, "tschüß")]


@pytest.mark.parametrize(
    "code",
    [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65_535],
)
def test_a_code_that_nobody_may_send_breaks_the_protocol(code: int) -> None:
    (event,) = read(close(close_payload(code, "why")))
    assert isinstance(event, Violation)
    assert isinstance(event.error, ProtocolError)


def test_half_a_code_breaks_the_protocol() -> None:
    (event,) = read(close(b"\x03"))
    assert isinstance(event, Violation)
    assert isinstance(event.error, ProtocolError)
    assert "half a code" in event.error.detail


@pytest.mark.parametrize("reason", [b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_a_reason_that_is_not_utf8_is_invalid_data(reason: bytes) -> None:
    (event,) = read(close(b"\x03\xe8" + reason))
    assert isinstance(event, Violation)
    assert isinstance(event.error, InvalidDataError)


def test_a_reason_of_123_bytes_is_the_longest() -> None:
    assert read(close(b"\x03\xe8" + b"r" * 123)) == [Close(1000, "r" * 123)]
    (event,) = read(close(b"\x03\xe8" + b"r" * 124))
    assert isinstance(event, Violation)


def test_a_close_in_the_middle_of_a_fragmented_message_is_an_ordinary_close() -> None:
    reader = FrameReader(Limits(), masked=True)
    started = encode_masked(Opcode.TEXT, b"never ended", KEY, fin=False)
    assert reader.receive(started + close(close_payload(1000))) == [Close(1000, "")]
    assert reader.buffered_bytes == 0


def test_what_came_before_a_close_is_delivered_and_what_follows_is_not() -> None:
    message = encode_masked(Opcode.BINARY, b"x", KEY)
    reader = FrameReader(Limits(), masked=True)
    assert reader.receive(message + close(b"") + message) == [Binary(b"x"), Close(None, "")]
    assert reader.receive(message) == []
    assert reader.receive(b"") == []
    assert not reader.pending
    assert reader.buffered_bytes == 0
