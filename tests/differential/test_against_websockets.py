"""The same bytes, cut at the same random places, into our reader and into `websockets`' own.

`websockets` (its sans-IO protocol, which its servers and clients are built on) is the oracle. Both
must find the same events and, when the peer breaks a rule, end with the same close code. Where we
differ on purpose it is listed in `DEVIATIONS`, each with an example that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from keepline.wire.events import Binary, Close, Event, Ping, Pong, Text, Violation
from keepline.wire.frames import Opcode
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader
from tests.differential.streams import (
    RawFrame,
    broken_conversations,
    closes,
    conversations,
    cut,
    cuts,
)

MESSAGE_BYTES = 1_000
LIMITS = Limits(message_bytes=MESSAGE_BYTES, message_fragments=10_000, frames_per_turn=3)


@dataclass(frozen=True)
class Outcome:
    """Events without the violation; `code` is what the connection is closed with after one."""

    events: list[Event]
    code: int | None
    detail: str = ""


def ours(pieces: list[bytes], *, masked: bool) -> Outcome:
    reader = FrameReader(LIMITS, masked=masked)
    events: list[Event] = []
    for piece in pieces:
        events += reader.receive(piece)
        while reader.pending:
            events += reader.receive(b"")
    last = events[-1] if events else None
    if isinstance(last, Violation):
        return Outcome(events[:-1], last.error.reason.code, last.error.detail)
    return Outcome(events, None)


def theirs(pieces: list[bytes], *, masked: bool) -> Outcome:
    protocol: Protocol
    if masked:
        protocol = ServerProtocol(state=State.OPEN, max_size=MESSAGE_BYTES)
    else:
        uri = parse_uri("ws://localhost/")
        protocol = ClientProtocol(uri, state=State.OPEN, max_size=MESSAGE_BYTES)
    for piece in pieces:
        protocol.receive_data(piece)
    events: list[Event] = []
    message: list[Frame] = []
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode in (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY):
            message.append(frame)
            if not frame.fin:
                continue
        # As its connections do, text is decoded when the message is whole.
        try:
            events.append(event_of(frame, message))
        except UnicodeDecodeError:
            return Outcome(events, 1007, "text")
    if protocol.parser_exc is None:
        return Outcome(events, None)
    assert protocol.close_sent is not None
    return Outcome(events, protocol.close_sent.code, str(protocol.parser_exc))


def event_of(frame: Frame, message: list[Frame]) -> Event:
    data = bytes(frame.data)
    if frame.opcode == Opcode.PING:
        return Ping(data)
    if frame.opcode == Opcode.PONG:
        return Pong(data)
    if frame.opcode == Opcode.CLOSE:
        return Close(int.from_bytes(data[:2]) if data else None, data[2:].decode())
    is_text = message[0].opcode == Opcode.TEXT
    joined = b"".join(bytes(part.data) for part in message)
    message.clear()
    return Text(joined.decode()) if is_text else Binary(joined)


# Deviations: from what we say (of the violation, or of their fault) to what else may differ.


def is_prefix(events: list[Event], of: list[Event]) -> bool:
    return of[: len(events)] == events


def they_let_it_pass(we: Outcome, they: Outcome) -> bool:
    return is_prefix(we.events, they.events)


def they_answer_too_big(we: Outcome, they: Outcome) -> bool:
    return we.events == they.events and they.code == 1009


def they_wait_for_the_payload(we: Outcome, they: Outcome) -> bool:
    """And look at its size first."""
    return we.events == they.events and they.code in (None, 1002, 1009)


DEVIATIONS: dict[str, Callable[[Outcome, Outcome], bool]] = {
    # RFC 6455 §5.2: the minimal number of bytes MUST be used.
    "frame length is not encoded in the fewest bytes": they_let_it_pass,
    # Nor may a control frame need more; they judge its length when the payload is there.
    "control frame has an extended length": they_let_it_pass,
    # §5.2: the most significant bit MUST be 0; a broken rule rather than a size.
    "frame length has its highest bit set": they_answer_too_big,
    # We judge a frame by its header, so that nothing of a frame that is wrong is ever buffered.
    "a reserved bit is set and no extension was agreed on": they_wait_for_the_payload,
    "control frame is fragmented": they_wait_for_the_payload,
    "continuation frame without a message to continue": they_wait_for_the_payload,
    "new message before the fragmented one has ended": they_wait_for_the_payload,
    # §8.1: we fail at the first byte that cannot be text, they at the end of the message.
    "text is not UTF-8": they_let_it_pass,
}


def is_listed(we: Outcome, they: Outcome) -> bool:
    if we.detail in DEVIATIONS:
        return DEVIATIONS[we.detail](we, they)
    if they.detail == "incomplete fragmented message":
        # §5.5.1 lets a close interrupt a message (Autobahn 7.1.5); they call it a violation.
        return [*they.events, we.events[-1]] == we.events and isinstance(we.events[-1], Close)
    if they.code == 1009:
        # They count a control frame between fragments towards the size of the message.
        return is_prefix(they.events, we.events) and isinstance(
            we.events[len(they.events)], Ping | Pong | Close
        )
    return False


def encode(frames: list[RawFrame], *, masked: bool) -> bytes:
    return b"".join(frame.encode(masked=masked) for frame in frames)


@pytest.mark.parametrize("masked", [True, False], ids=["server", "client"])
@settings(deadline=None, max_examples=300)
@given(frames=conversations, last=closes, places=cuts)
def test_a_sound_conversation_gives_the_same_events(
    frames: list[RawFrame], last: RawFrame, places: list[int], *, masked: bool
) -> None:
    pieces = cut(encode([*frames, last], masked=masked), places)
    we = ours(pieces, masked=masked)
    assert we.code is None
    assert we == theirs(pieces, masked=masked)


@pytest.mark.parametrize("masked", [True, False], ids=["server", "client"])
@settings(deadline=None, max_examples=700)
@given(frames=broken_conversations, places=cuts)
def test_a_broken_conversation_gives_the_same_events_and_the_same_fault(
    frames: list[RawFrame], places: list[int], *, masked: bool
) -> None:
    pieces = cut(encode(frames, masked=masked), places)
    we, they = ours(pieces, masked=masked), theirs(pieces, masked=masked)
    assert (we.events, we.code) == (they.events, they.code) or is_listed(we, they)


PART = RawFrame(Opcode.TEXT, b"a", fin=False)
LONG_PART = RawFrame(Opcode.BINARY, bytes(MESSAGE_BYTES), fin=False)
PING = RawFrame(Opcode.PING, b"ping")
EXAMPLES: list[tuple[list[RawFrame], int | None, int | None]] = [  # and our code, and theirs
    ([RawFrame(Opcode.BINARY, b"a", length_bytes=2)], 1002, None),
    ([RawFrame(Opcode.BINARY, b"", length=1 << 63)], 1002, 1009),
    ([RawFrame(Opcode.TEXT, b"", reserved=0x40, length=5)], 1002, None),
    ([RawFrame(Opcode.PING, b"", fin=False, length=5)], 1002, None),
    ([RawFrame(Opcode.PING, b"", length=126)], 1002, None),
    ([RawFrame(Opcode.PING, b"", length_bytes=2)], 1002, None),
    ([RawFrame(Opcode.CONTINUATION, b"", length=5)], 1002, None),
    ([PART, RawFrame(Opcode.TEXT, b"", length=5)], 1002, None),
    ([RawFrame(Opcode.TEXT, b"\xff", fin=False)], 1007, None),
    ([PART, RawFrame(Opcode.CLOSE, b"")], None, 1002),
    ([LONG_PART, PING], None, 1009),
]


@pytest.mark.parametrize(("frames", "our_code", "their_code"), EXAMPLES)
def test_every_deviation_is_still_one(
    frames: list[RawFrame], our_code: int | None, their_code: int | None
) -> None:
    pieces = [encode(frames, masked=True)]
    we, they = ours(pieces, masked=True), theirs(pieces, masked=True)
    assert (we.code, they.code) == (our_code, their_code)
    assert is_listed(we, they)


def test_every_listed_deviation_has_an_example() -> None:
    shown = {ours([encode(frames, masked=True)], masked=True).detail for frames, *_ in EXAMPLES}
    assert set(DEVIATIONS) <= shown
