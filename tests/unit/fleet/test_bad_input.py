"""Each kind of bad input, before the reader that the gateway has."""

from __future__ import annotations

import pytest

from keepline.errors import InvalidDataError
from keepline.fleet.bad_input import PINGS, bad_bytes
from keepline.fleet.chance import Chance
from keepline.reasons import CloseReason
from keepline.wire.audio import unpack
from keepline.wire.events import Binary, Event, Ping, Text, Violation
from keepline.wire.limits import Limits
from keepline.wire.messages import Hello, Malformed, Unknown, parse_device_message
from keepline.wire.reader import FrameReader

TRIES = range(60)


def read(data: bytes) -> list[Event]:
    reader = FrameReader(Limits(frames_per_turn=1_000), masked=True)
    found = reader.receive(data)
    assert not reader.pending
    return found


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("utf8", CloseReason.INVALID_DATA),
        ("frame", CloseReason.PROTOCOL_ERROR),
        ("oversize", CloseReason.MESSAGE_TOO_BIG),
    ],
)
def test_what_breaks_the_protocol_is_judged_so_whichever_it_is(
    kind: object, reason: CloseReason
) -> None:
    for index in TRIES:
        (event,) = read(bad_bytes(kind, Chance(1, index), 1))  # type: ignore[arg-type]
        assert isinstance(event, Violation)
        assert event.error.reason is reason


def test_wrong_json_is_a_whole_message_that_says_nothing() -> None:
    for index in TRIES:
        (event,) = read(bad_bytes("json", Chance(1, index), 1))
        assert isinstance(event, Text)
        assert isinstance(parse_device_message(event.text), Malformed | Unknown | Hello)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_packet_says_more_than_it_holds_in_each_audio_version(version: int) -> None:
    (event,) = read(bad_bytes("header", Chance(1, 1), version))
    assert isinstance(event, Binary)
    with pytest.raises(InvalidDataError):
        unpack(event.data, version)


def test_a_flood_is_many_pings_and_nothing_else() -> None:
    found = read(bad_bytes("pings", Chance(1, 1), 1))
    assert len(found) == PINGS
    assert {type(event) for event in found} == {Ping}


def test_an_oversized_message_is_announced_and_not_sent() -> None:
    assert len(bad_bytes("oversize", Chance(1, 1), 1)) < 20
