"""Rules on one frame's head (RFC 6455 §5.2, §5.5): each broken alone, for both roles."""

from __future__ import annotations

import pytest

from keepline.errors import PeerError, ProtocolError, TooBigError
from keepline.reasons import CloseReason
from keepline.wire.events import Binary, Event, Violation
from keepline.wire.frames import encode, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader

KEY = b"\x01\x02\x03\x04"
MASKED_EMPTY_PING = encode_masked(9, b"", KEY)


def read(data: bytes, limits: Limits | None = None, *, masked: bool = True) -> list[Event]:
    return FrameReader(limits or Limits(), masked=masked).receive(data)


def violation(data: bytes, *, masked: bool = True) -> PeerError:
    (event,) = read(data, masked=masked)
    assert isinstance(event, Violation)
    return event.error


@pytest.mark.parametrize("bit", [0x40, 0x20, 0x10])
@pytest.mark.parametrize("opcode", [0, 1, 2, 8, 9, 10])
def test_a_reserved_bit_is_refused_on_every_opcode(bit: int, opcode: int) -> None:
    error = violation(encode_masked(opcode | bit, b"", KEY))
    assert isinstance(error, ProtocolError)
    assert error.reason is CloseReason.PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_an_unassigned_opcode_is_refused(opcode: int) -> None:
    assert isinstance(violation(encode_masked(opcode, b"x", KEY)), ProtocolError)


@pytest.mark.parametrize("opcode", [1, 2, 8, 9, 10])
def test_a_client_must_mask_and_a_server_must_not(opcode: int) -> None:
    assert isinstance(violation(encode(opcode, b"\x03\xe8"), masked=True), ProtocolError)
    error = violation(encode_masked(opcode, b"\x03\xe8", KEY), masked=False)
    assert isinstance(error, ProtocolError)


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_a_control_frame_must_not_be_fragmented(opcode: int) -> None:
    assert isinstance(violation(encode_masked(opcode, b"", KEY, fin=False)), ProtocolError)


@pytest.mark.parametrize("opcode", [9, 10])
def test_a_control_frame_may_carry_125_bytes_and_no_more(opcode: int) -> None:
    (event,) = read(encode_masked(opcode, bytes(125), KEY))
    assert not isinstance(event, Violation)
    assert isinstance(violation(encode_masked(opcode, bytes(126), KEY)), ProtocolError)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("encoded", "minimal"),
    [
        ("7e007d", False),
        ("7e0000", False),
        ("7e007e", True),
        ("7effff", True),
        ("7f0000000000000000", False),
        ("7f000000000000007e", False),
        ("7f000000000000ffff", False),
        ("7f0000000000010000", True),
    ],
)
def test_a_length_must_be_encoded_in_the_fewest_bytes(
    encoded: str, *, minimal: bool, masked: bool
) -> None:
    header = bytearray(b"\x82" + bytes.fromhex(encoded))
    size = int.from_bytes(header[2:])
    if masked:
        header[1] |= 0x80
        header += b"\0\0\0\0"
    (event,) = read(bytes(header) + bytes(size), Limits(message_bytes=1 << 20), masked=masked)
    if minimal:
        assert event == Binary(bytes(size))
    else:
        assert isinstance(event, Violation)
        assert isinstance(event.error, ProtocolError)


@pytest.mark.parametrize("length", [1 << 63, (1 << 63) + 1, (1 << 64) - 1])
def test_a_length_with_the_highest_bit_set_breaks_the_protocol(length: int) -> None:
    assert isinstance(violation(b"\x82\xff" + length.to_bytes(8) + KEY), ProtocolError)


@pytest.mark.parametrize("length", [(1 << 63) - 1, 1 << 62, 1 << 32, (1 << 31) - 1])
def test_a_huge_length_is_too_big_before_any_payload_is_there(length: int) -> None:
    error = violation(b"\x82\xff" + length.to_bytes(8) + KEY)
    assert isinstance(error, TooBigError)
    assert error.reason is CloseReason.MESSAGE_TOO_BIG


@pytest.mark.parametrize("opcode", [0x83, 0x8B, 0x88, 0x89])
def test_a_huge_length_does_not_hide_behind_another_opcode(opcode: int) -> None:
    frame = bytes((opcode, 0xFF)) + ((1 << 63) - 1).to_bytes(8) + KEY
    assert isinstance(violation(frame), ProtocolError)


@pytest.mark.parametrize("first", [0x83, 0xC1, 0x09])
def test_two_bytes_are_enough_to_refuse(first: int) -> None:
    reader = FrameReader(Limits(), masked=True)
    assert reader.receive(bytes((first,))) == []
    (event,) = reader.receive(b"\x80")
    assert isinstance(event, Violation)
