"""One reader over a whole connection: cuts, turns, what it keeps, and how it ends."""

from __future__ import annotations

import gc
import sys
import tracemalloc

import pytest

from keepline.errors import ProtocolError
from keepline.wire.events import Binary, Close, Event, Ping, Pong, Text, Violation
from keepline.wire.frames import Opcode, close_payload, encode_masked
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader

KEY = b"\x9a\x01\xfe\x33"
PING = encode_masked(Opcode.PING, b"", KEY)
UNMASKED = b"\x89\x00"


def reader(**limits: int) -> FrameReader:
    return FrameReader(Limits(**limits), masked=True)


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    return encode_masked(opcode, payload, KEY, fin=fin)


CONVERSATION = b"".join(
    [
        frame(Opcode.TEXT, "héllo".encode()),
        frame(Opcode.BINARY, bytes(range(120))),
        frame(Opcode.PONG, b"\0\0\0\x01"),
        frame(Opcode.BINARY, bytes(300)),
        frame(Opcode.TEXT, "语".encode()[:2], fin=False),
        frame(Opcode.PING, b"between"),
        frame(Opcode.CONTINUATION, "语".encode()[2:]),
        frame(Opcode.BINARY, b""),
        frame(Opcode.CLOSE, close_payload(1000, "bye")),
        b"ignored",
    ]
)
EVENTS: list[Event] = [
    Text("héllo"),
    Binary(bytes(range(120))),
    Pong(b"\0\0\0\x01"),
    Binary(bytes(300)),
    Ping(b"between"),
    Text("语"),
    Binary(b""),
    Close(1000, "bye"),
]


# Cuts


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 10_000])
def test_the_same_bytes_give_the_same_events_however_they_are_cut(step: int) -> None:
    subject = reader()
    events: list[Event] = []
    for at in range(0, len(CONVERSATION), step):
        events += subject.receive(CONVERSATION[at : at + step])
    assert events == EVENTS


def test_every_single_cut_gives_the_same_events() -> None:
    for at in range(len(CONVERSATION)):
        subject = reader()
        assert subject.receive(CONVERSATION[:at]) + subject.receive(CONVERSATION[at:]) == EVENTS


def test_the_second_half_of_a_frame_may_look_like_a_whole_frame() -> None:
    key = b"\x8a\x88ab"  # like the head of a pong with eight bytes
    ping = encode_masked(Opcode.PING, b"0123456789", key)
    subject = reader()
    assert subject.receive(ping[:2]) == []
    assert subject.receive(ping[2:]) == [Ping(b"0123456789")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PING[:5],
        PING * 2,
        PING + b"x",
        UNMASKED + bytes(4),
        frame(Opcode.TEXT, b"\xff"),
        frame(Opcode.BINARY, b"a", fin=False),
        frame(Opcode.CONTINUATION, b"a"),
        frame(Opcode.CLOSE, b""),
        frame(Opcode.PING, bytes(126)),
        frame(Opcode.BINARY, bytes(101)),
        frame(Opcode.BINARY, bytes(70_000)),
    ],
)
def test_the_short_way_takes_nothing_of_what_it_cannot_take(data: bytes) -> None:
    subject = reader(message_bytes=100)
    assert subject.receive_whole(data) is None
    assert subject.buffered_bytes == 0
    assert repr(subject.receive(data)) == repr(reader(message_bytes=100).receive(data))


def test_the_short_way_is_closed_while_a_frame_is_open_and_after_the_end() -> None:
    subject = reader()
    subject.receive(frame(Opcode.BINARY, b"abc")[:7])
    assert subject.receive_whole(PING) is None
    subject = reader()
    assert subject.receive_whole(PING) == Ping(b"")
    subject.receive(UNMASKED)
    assert subject.receive_whole(PING) is None


def test_a_reader_is_calm_while_a_new_one_would_do_as_well() -> None:
    subject = reader()
    assert subject.is_calm
    subject.receive(frame(Opcode.BINARY, b"abc")[:7])
    assert not subject.is_calm
    subject.receive(frame(Opcode.BINARY, b"abc")[7:])
    assert subject.is_calm
    subject.receive(UNMASKED)
    assert not subject.is_calm


def test_a_reader_that_is_watched_takes_no_short_way_and_finds_the_same() -> None:
    subject = reader()
    subject.watch(closely=True)
    assert not subject.is_calm
    assert subject.receive_whole(PING) is None
    assert subject.receive(PING) == [Ping(b"")]
    assert subject.receive_whole(PING) is None
    subject.watch(closely=False)
    assert subject.is_calm
    assert subject.receive_whole(PING) == Ping(b"")


@pytest.mark.parametrize("data", [PING[:5], frame(Opcode.BINARY, b"a", fin=False), UNMASKED])
def test_a_reader_that_is_watched_no_longer_keeps_what_it_holds(data: bytes) -> None:
    subject = reader()
    subject.watch(closely=True)
    subject.receive(data)
    subject.watch(closely=False)
    assert not subject.is_calm
    assert subject.receive_whole(PING) is None


def test_an_empty_read_changes_nothing() -> None:
    subject = reader()
    assert subject.receive(b"") == []
    assert subject.receive(frame(Opcode.TEXT, b"abc")[:7]) == []
    assert subject.receive(b"") == []
    assert subject.buffered_bytes == 1
    assert subject.receive(frame(Opcode.TEXT, b"abc")[7:]) == [Text("abc")]


def test_the_client_role_reads_unmasked_frames() -> None:
    subject = FrameReader(Limits(), masked=False)
    events: list[Event] = []
    for byte in bytes.fromhex("8a00 8900 810161 827e007e") + bytes(126) + bytes.fromhex("8800"):
        events += subject.receive(bytes([byte]))
    assert events == [Pong(b""), Ping(b""), Text("a"), Binary(bytes(126)), Close(None, "")]


# Turns


@pytest.mark.parametrize(("frames", "pending"), [(3, False), (4, False), (5, True)])
def test_one_call_handles_a_turns_worth_of_frames(frames: int, *, pending: bool) -> None:
    subject = reader(frames_per_turn=4)
    assert subject.receive(PING * frames) == [Ping(b"")] * min(frames, 4)
    assert subject.pending is pending
    assert subject.receive(b"") == [Ping(b"")] * max(frames - 4, 0)
    assert not subject.pending


def test_frames_without_an_event_count_too() -> None:
    subject = reader(frames_per_turn=4)
    assert subject.receive(frame(Opcode.TEXT, b"a", fin=False) * 1 + PING * 4) == [Ping(b"")] * 3
    assert subject.pending


def test_bytes_that_come_while_more_is_pending_stay_in_order() -> None:
    subject = reader(frames_per_turn=2)
    events = subject.receive(b"".join(frame(Opcode.PING, bytes([i])) for i in range(5)))
    events += subject.receive(b"".join(frame(Opcode.PING, bytes([i])) for i in range(5, 8)))
    while subject.pending:
        events += subject.receive(b"")
    assert events == [Ping(bytes([i])) for i in range(8)]


def test_a_violation_behind_a_turns_worth_waits_for_its_turn() -> None:
    subject = reader(frames_per_turn=4)
    assert subject.receive(PING * 4 + UNMASKED) == [Ping(b"")] * 4
    assert subject.pending
    (event,) = subject.receive(b"")
    assert isinstance(event, Violation)
    assert not subject.pending


def test_a_close_as_the_last_frame_of_a_turn_ends_it() -> None:
    subject = reader(frames_per_turn=2)
    events = subject.receive(PING + frame(Opcode.CLOSE, b"") + PING)
    assert events == [Ping(b""), Close(None, "")]
    assert not subject.pending


def test_the_start_of_a_frame_behind_a_turns_worth_is_kept() -> None:
    subject = reader(frames_per_turn=2)
    assert subject.receive(PING * 2 + PING[:3]) == [Ping(b"")] * 2
    assert subject.receive(b"") == []
    assert not subject.pending
    assert subject.buffered_bytes == 3
    assert subject.receive(PING[3:]) == [Ping(b"")]


# Endings


def test_what_precedes_a_violation_is_delivered_and_the_violation_is_last() -> None:
    subject = reader()
    events = subject.receive(frame(Opcode.TEXT, b"echo me") + PING + UNMASKED + PING)
    assert events[:2] == [Text("echo me"), Ping(b"")]
    assert len(events) == 3
    assert isinstance(events[2], Violation)
    assert isinstance(events[2].error, ProtocolError)
    assert subject.receive(PING) == []
    assert subject.buffered_bytes == 0


def test_a_violation_in_the_middle_of_a_message_forgets_the_message() -> None:
    subject = reader()
    subject.receive(frame(Opcode.BINARY, bytes(1_000), fin=False))
    assert subject.buffered_bytes == 1_000
    subject.receive(UNMASKED)
    assert subject.buffered_bytes == 0


def test_a_violation_leaves_no_cycle_behind() -> None:
    gc.collect()
    gc.disable()
    try:
        for broken in (
            UNMASKED,
            frame(Opcode.TEXT, b"\xff"),
            frame(Opcode.TEXT, b"\xff", fin=False),
        ):
            (event,) = reader().receive(broken)
            assert isinstance(event, Violation)
            assert event.error.__traceback__ is None
            assert event.error.__context__ is None
            del event
        assert gc.collect() == 0
    finally:
        gc.enable()


# Memory


def test_an_idle_reader_is_one_small_object() -> None:
    subject = reader()
    subject.receive(CONVERSATION[:200])
    subject = reader()
    assert not hasattr(subject, "__dict__")
    assert sys.getsizeof(subject) <= 112


def test_after_its_last_partial_frame_a_reader_is_as_small_as_new() -> None:
    subject = reader()
    for byte in frame(Opcode.TEXT, b"x" * 500):
        subject.receive(bytes([byte]))
    kept = gc.get_referents(subject)
    assert all(isinstance(item, type | int | float | bytes | Limits | None) for item in kept)
    assert subject.buffered_bytes == 0


@pytest.mark.parametrize("ending", [b"", PING[:3], frame(Opcode.BINARY, bytes(9))[:8]])
def test_a_large_read_is_not_kept_for_the_little_that_is_left_of_it(ending: bytes) -> None:
    subject = reader()
    subject.receive(frame(Opcode.BINARY, bytes(60_000)) + PING + ending)
    assert all(len(kept) < 10 for kept in gc.get_referents(subject) if isinstance(kept, bytes))


def test_buffered_bytes_never_exceed_the_limit_by_more_than_a_header() -> None:
    subject = reader(message_bytes=1_000)
    stream = frame(Opcode.BINARY, bytes(500), fin=False) + frame(Opcode.PING, bytes(125))
    stream += frame(Opcode.CONTINUATION, bytes(500))
    for byte in stream:
        subject.receive(bytes([byte]))
        assert subject.buffered_bytes <= 1_000 + 6 + 125


def test_tiny_reads_are_kept_in_one_buffer() -> None:
    payload = bytes(60_000)
    pieces = [bytes([byte]) for byte in frame(Opcode.BINARY, payload)[:-1]]
    subject = reader()
    tracemalloc.start()
    try:
        for piece in pieces:
            subject.receive(piece)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert subject.buffered_bytes == len(payload) - 1
    assert held < 1.2 * len(payload) + 2_000


def test_a_lying_length_costs_no_memory() -> None:
    subject = reader(message_bytes=1 << 30)
    header = b"\x82\xff" + (1 << 30).to_bytes(8) + KEY
    tracemalloc.start()
    try:
        subject.receive(header + b"x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_096


@pytest.mark.parametrize(
    "pieces", [[frame(Opcode.BINARY, bytes(11))], [b"\x02\x85" + bytes(9), b"\x80\x86" + bytes(10)]]
)
def test_limits_can_be_exchanged_between_two_messages(pieces: list[bytes]) -> None:
    subject = reader(message_bytes=10)
    subject.limits = Limits(message_bytes=11)
    assert subject.receive(b"".join(pieces)) == [Binary(bytes(11))]
    subject.limits = Limits(message_bytes=10)
    (violation,) = subject.receive(b"".join(pieces))
    assert isinstance(violation, Violation)
