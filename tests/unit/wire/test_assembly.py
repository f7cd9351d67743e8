"""Messages in fragments and pieces: order, UTF-8 that fails at once, limits below, at and above."""

from __future__ import annotations

import pytest

from keepline.errors import InvalidDataError, ProtocolError, TooBigError
from keepline.wire.events import Binary, Event, Text, Violation
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader

KEY = b"\x9a\x01\xfe\x33"


def reader(**limits: int) -> FrameReader:
    return FrameReader(Limits(**limits), masked=True)


def fragments(opcode: int, *payloads: bytes) -> bytes:
    last = len(payloads) - 1
    return b"".join(
        encode_masked(Opcode.CONTINUATION if i else opcode, payload, KEY, fin=i == last)
        for i, payload in enumerate(payloads)
    )


def fault(events: list[Event]) -> type[Exception]:
    event = events[-1]
    assert isinstance(event, Violation)
    return type(event.error)


# Order (§5.4)


def test_fragments_are_joined() -> None:
    assert reader().receive(fragments(Opcode.BINARY, b"a", b"", b"bc")) == [Binary(b"abc")]
    assert reader().receive(fragments(Opcode.TEXT, b"", b"", b"")) == [Text("")]


def test_a_continuation_without_a_message_breaks_the_protocol() -> None:
    for fin in (True, False):
        frame = encode_masked(Opcode.CONTINUATION, b"x", KEY, fin=fin)
        assert fault(reader().receive(frame)) is ProtocolError


def test_a_continuation_after_the_end_breaks_the_protocol() -> None:
    message = fragments(Opcode.TEXT, b"a", b"b")
    events = reader().receive(message + encode_masked(Opcode.CONTINUATION, b"c", KEY))
    assert events[0] == Text("ab")
    assert fault(events) is ProtocolError


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_a_new_message_inside_a_fragmented_one_breaks_the_protocol(
    opcode: int, *, fin: bool
) -> None:
    started = encode_masked(Opcode.TEXT, b"a", KEY, fin=False)
    events = reader().receive(started + encode_masked(opcode, b"b", KEY, fin=fin))
    assert fault(events) is ProtocolError


# UTF-8 (§8.1)

WHOLE_TEXTS = [
    "κόσμε",
    "\x00\x7f",
    "\u0080\u07ff",
    "\u0800\uffff",
    "\U00010000\U0010ffff",
    "语音🔊",
]
BROKEN_TEXTS = {  # and how many bytes tell
    "cebae1bdb9cf83cebcceb5eda080656469746564": 13,  # a surrogate; Autobahn 6.3.1
    "cebae1bdb9cf83cebcceb5f4908080656469746564": 13,  # beyond U+10FFFF; Autobahn 6.4.1
    "c080": 1,  # overlong
    "e08080": 2,
    "f0808080": 2,
    "f88888888080": 1,
    "80": 1,
    "61ff": 2,
    "c328": 2,
    "e28228": 3,
    "f09f9828": 4,
}


@pytest.mark.parametrize("text", WHOLE_TEXTS)
def test_a_fragmented_text_split_inside_a_character_is_joined(text: str) -> None:
    payload = text.encode()
    for at in range(len(payload) + 1):
        frames = fragments(Opcode.TEXT, payload[:at], payload[at:])
        assert reader().receive(frames) == [Text(text)]


@pytest.mark.parametrize(("encoded", "tells"), BROKEN_TEXTS.items())
def test_invalid_text_fails_at_the_byte_that_tells(encoded: str, tells: int) -> None:
    payload = bytes.fromhex(encoded) + bytes(100)
    frame = encode_masked(Opcode.TEXT, payload, KEY)
    head = len(frame) - len(payload)
    for step in (1, tells):
        subject = reader()
        events = subject.receive(frame[:head])
        for at in range(0, tells - 1, step):
            events += subject.receive(frame[head + at : head + min(at + step, tells - 1)])
        assert events == [], "too early"
        events = subject.receive(frame[head + tells - 1 : head + tells])
        assert fault(events) is InvalidDataError
        assert subject.receive(frame[head + tells :]) == []


def test_no_byte_is_taken_after_which_no_character_can_end() -> None:
    # Of three bytes, every 64th shows every prefix of two; of four, each step leads to another
    # prefix of two, with each third byte in turn.
    samples = [*range(0x800), *range(0x800, 0xD800, 64), *range(0xE000, 0x10000, 64)]
    samples += range(0x10000, 0x110000, 0x1000 - 64)
    encodings = {chr(code).encode() for code in samples}
    starts = {encoding[:n] for encoding in encodings for n in range(1, len(encoding) + 1)}
    unfinished = {b""} | {start for start in starts if start not in encodings}
    head = encode_masked(Opcode.TEXT, bytes(8), bytes(4))[:6]
    for start in unfinished:
        for byte in range(256) if len(start) < 2 else (0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF):
            subject = reader()
            assert subject.receive(head + start) == []
            events = subject.receive(bytes([byte]))
            possible = start + bytes([byte]) in starts or (len(start) > 1 and byte in (0x80, 0xBF))
            assert bool(events) is not possible, (start, byte)


@pytest.mark.parametrize("encoded", BROKEN_TEXTS)
def test_invalid_text_fails_in_a_fragment_before_the_message_ends(encoded: str) -> None:
    frame = encode_masked(Opcode.TEXT, bytes.fromhex(encoded), KEY, fin=False)
    assert fault(reader().receive(frame)) is InvalidDataError


@pytest.mark.parametrize("encoded", BROKEN_TEXTS)
def test_invalid_text_in_one_whole_frame_is_refused(encoded: str) -> None:
    frame = encode_masked(Opcode.TEXT, bytes.fromhex(encoded), KEY)
    assert fault(reader().receive(frame)) is InvalidDataError


@pytest.mark.parametrize("ending", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"])
def test_a_text_that_ends_inside_a_character_is_refused(ending: bytes) -> None:
    for frames in (fragments(Opcode.TEXT, b"a" + ending), fragments(Opcode.TEXT, ending, b"")):
        assert fault(reader().receive(frames)) is InvalidDataError


def test_binary_data_is_not_text() -> None:
    assert reader().receive(fragments(Opcode.BINARY, b"\xff\xed", b"\xa0")) == [
        Binary(b"\xff\xed\xa0")
    ]


# Limits


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("limit", [1, 100, 125, 126, 1_000, 65_535, 65_536])
def test_a_message_may_have_as_many_bytes_as_the_limit(opcode: int, limit: int) -> None:
    for size in (limit - 1, limit):
        (event,) = reader(message_bytes=limit).receive(encode_masked(opcode, bytes(size), KEY))
        assert not isinstance(event, Violation)
    events = reader(message_bytes=limit).receive(encode_masked(opcode, bytes(limit + 1), KEY))
    assert [fault(events)] == [TooBigError]


@pytest.mark.parametrize(("last", "fits"), [(39, True), (40, True), (41, False)])
def test_the_limit_counts_over_all_fragments(last: int, *, fits: bool) -> None:
    frames = fragments(Opcode.BINARY, bytes(30), bytes(30), bytes(last))
    (event,) = reader(message_bytes=100).receive(frames)
    assert event == Binary(bytes(60 + last)) if fits else isinstance(event, Violation)


def test_a_message_that_grows_too_big_fails_on_the_header_of_the_fragment() -> None:
    subject = reader(message_bytes=100)
    subject.receive(encode_masked(Opcode.BINARY, bytes(60), KEY, fin=False))
    events = subject.receive(encode_masked(Opcode.CONTINUATION, bytes(41), KEY)[:6])
    assert fault(events) is TooBigError
    assert subject.buffered_bytes == 0


def test_the_next_message_starts_counting_anew() -> None:
    message = fragments(Opcode.BINARY, bytes(60), bytes(40))
    subject = reader(message_bytes=100, message_fragments=2)
    assert subject.receive(message + message) == [Binary(bytes(100))] * 2


@pytest.mark.parametrize("size", [0, 1])
def test_a_message_may_have_as_many_fragments_as_the_limit(size: int) -> None:
    for count in (1, 7, 8):
        events = reader(message_fragments=8).receive(
            fragments(Opcode.BINARY, *[bytes(size)] * count)
        )
        assert events == [Binary(bytes(size * count))]
    events = reader(message_fragments=8).receive(fragments(Opcode.BINARY, *[bytes(size)] * 9))
    assert [fault(events)] == [TooBigError]


def test_four_mebibytes_in_fragments_of_four_kibibytes_pass() -> None:
    size = 4 << 20
    frames = fragments(Opcode.BINARY, *[bytes(4_096)] * (size // 4_096))
    subject = reader(message_bytes=size, message_fragments=1_024, frames_per_turn=2_000)
    assert subject.receive(frames) == [Binary(bytes(size))]


def test_sixteen_mebibytes_may_come_as_one_message() -> None:
    frame = encode_masked(Opcode.BINARY, bytes(16 << 20), KEY)
    subject = reader(message_bytes=16 << 20)
    events: list[Event] = []
    for at in range(0, len(frame), 1 << 18):
        events += subject.receive(frame[at : at + (1 << 18)])
    assert events == [Binary(bytes(16 << 20))]
