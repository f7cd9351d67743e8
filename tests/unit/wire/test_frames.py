"""Encoding: the examples of RFC 6455 §5.7, every boundary of the length, and close reasons."""

from __future__ import annotations

import pytest

from keepline.wire.events import Binary, Event, Text
from keepline.wire.frames import (
    Opcode,
    binary_frame,
    close_frame,
    close_payload,
    encode,
    encode_masked,
    masked_binary_frame,
    ping_frame,
    pong_frame,
    text_frame,
    text_of,
)
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader

KEY = bytes.fromhex("37fa213d")
BOUNDARIES = [0, 1, 125, 126, 127, 65_535, 65_536]


def read(frame: bytes, *, masked: bool) -> list[Event]:
    return FrameReader(Limits(message_bytes=1 << 20), masked=masked).receive(frame)


def test_the_examples_of_the_standard() -> None:
    assert text_frame("Hello") == bytes.fromhex("810548656c6c6f")
    assert encode_masked(Opcode.TEXT, b"Hello", KEY) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert encode_masked(Opcode.TEXT, b"", KEY, fin=False)[0] == 0x01
    assert ping_frame(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert pong_frame(b"Hello") == bytes.fromhex("8a0548656c6c6f")
    assert binary_frame(bytes(256))[:4] == bytes.fromhex("827e0100")
    assert binary_frame(bytes(65_536))[:10] == bytes.fromhex("827f0000000000010000")


@pytest.mark.parametrize("size", BOUNDARIES)
def test_the_length_takes_the_fewest_bytes(size: int) -> None:
    head = 2 if size <= 125 else 4 if size <= 65_535 else 10
    for frame in (
        text_frame("x" * size),
        binary_frame(bytes(size)),
        encode(Opcode.BINARY, bytes(size)),
    ):
        assert len(frame) == head + size
        assert frame[1] & 0x80 == 0
    assert len(encode_masked(Opcode.BINARY, bytes(size), KEY)) == head + 4 + size


@pytest.mark.parametrize("size", BOUNDARIES)
def test_what_one_role_encodes_the_other_reads(size: int) -> None:
    data = bytes(i & 0x7F for i in range(size))
    assert read(encode_masked(Opcode.BINARY, data, KEY), masked=True) == [Binary(data)]
    assert masked_binary_frame(data, KEY) == encode_masked(Opcode.BINARY, data, KEY)
    assert read(encode_masked(Opcode.TEXT, data, KEY), masked=True) == [Text(data.decode())]
    assert read(binary_frame(data), masked=False) == [Binary(data)]
    assert read(text_frame(data.decode()), masked=False) == [Text(data.decode())]


@pytest.mark.parametrize("size", BOUNDARIES)
def test_a_text_is_read_from_the_frame_that_it_was_made_into(size: int) -> None:
    text = "x" * size
    assert text_of(text_frame(text)) == text


def test_no_text_is_read_from_any_other_frame() -> None:
    for frame in (binary_frame(b"x"), ping_frame(b"x"), pong_frame(b"x"), close_frame(1000, "x")):
        assert text_of(frame) is None


def test_characters_are_counted_in_bytes() -> None:
    assert text_frame("é" * 63)[:4] == bytes.fromhex("817e007e")


@pytest.mark.parametrize("encode_control", [ping_frame, pong_frame])
def test_a_control_payload_of_125_bytes_is_the_longest(encode_control: object) -> None:
    assert callable(encode_control)
    assert len(encode_control(bytes(125))) == 127
    with pytest.raises(IndexError):
        encode_control(bytes(126))


def test_a_close_without_a_code_is_empty_whatever_its_reason() -> None:
    assert close_frame(None) == bytes.fromhex("8800")
    assert close_frame(None, "bye") == bytes.fromhex("8800")


def test_a_close_carries_code_and_reason() -> None:
    assert close_frame(1001, "bye") == bytes.fromhex("880503e9") + b"bye"
    assert close_frame(1000) == bytes.fromhex("880203e8")


@pytest.mark.parametrize(("length", "kept"), [(122, 122), (123, 123), (124, 123), (5_000, 123)])
def test_a_reason_is_cut_to_123_bytes(length: int, kept: int) -> None:
    assert len(close_payload(1000, "x" * length)) == 2 + kept


@pytest.mark.parametrize("character", ["é", "语", "🔊"])
@pytest.mark.parametrize("lead", range(4))
def test_a_reason_is_never_cut_inside_a_character(character: str, lead: int) -> None:
    payload = close_payload(1000, "x" * lead + character * 100)
    width = len(character.encode())
    assert 125 - width < len(payload) <= 125
    assert payload[2:].decode() == "x" * lead + character * ((123 - lead) // width)


def test_a_reason_with_half_a_surrogate_pair_is_still_sent() -> None:
    assert close_payload(1000, "a\ud800b")[2:] == b"a?b"
