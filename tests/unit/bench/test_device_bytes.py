"""The load generator's bytes, judged by the production parsers."""

from __future__ import annotations

from bench.load.device_bytes import (
    AUDIO_BYTES,
    Frames,
    apply_mask,
    masked,
    numbered_audio,
    pong,
    upgrade_request,
)
from keepline.wire.events import Binary, Pong, Text
from keepline.wire.handshake import RequestReader
from keepline.wire.limits import Limits
from keepline.wire.messages import Hello, Listen, parse_device_message
from keepline.wire.reader import FrameReader


def read(data: bytes) -> list[object]:
    return list(FrameReader(Limits(), masked=True).receive(data))


def text_of(frame: bytes) -> str:
    (event,) = read(frame)
    assert isinstance(event, Text)
    return event.text


def test_the_request_is_an_upgrade_with_all_headers_of_a_device() -> None:
    request = RequestReader(Limits()).receive(upgrade_request(258, 8000, "secret"))

    assert request is not None
    assert request.is_upgrade
    assert request.path == "/xiaozhi/v1/"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["device-id"] == "02:00:00:00:01:02"
    assert request.headers["protocol-version"] == "1"


def test_two_devices_differ_in_both_ids() -> None:
    one, other = (RequestReader(Limits()).receive(upgrade_request(n, 1, "t")) for n in (1, 2))

    assert one is not None
    assert other is not None
    assert one.headers["device-id"] != other.headers["device-id"]
    assert one.headers["client-id"] != other.headers["client-id"]


def test_its_messages_are_a_hello_and_two_listens() -> None:
    frames = Frames(seed=1)

    assert isinstance(parse_device_message(text_of(next(frames.hello))), Hello)
    for frame in (next(frames.listen_start), next(frames.listen_stop)):
        assert isinstance(parse_device_message(text_of(frame)), Listen)


def test_copies_of_a_frame_differ_in_mask_but_not_in_content() -> None:
    frames = Frames(seed=1)
    one, other = next(frames.audio), next(frames.audio)

    assert one != other
    assert read(one) == read(other)


def test_the_expected_echo_carries_what_was_sent() -> None:
    frames = Frames(seed=1)
    (event,) = read(next(frames.audio))

    assert isinstance(event, Binary)
    assert len(event.data) == AUDIO_BYTES
    assert frames.echo[2:] == event.data


def test_a_pong_returns_the_pings_payload() -> None:
    assert read(pong(b"\x00\x01\x02\x03")) == [Pong(b"\x00\x01\x02\x03")]


def test_a_numbered_frame_carries_its_number_first() -> None:
    (event,) = read(numbered_audio(77))

    assert isinstance(event, Binary)
    assert int.from_bytes(event.data[:8], "big") == 77


def test_masking_twice_gives_the_payload_back_whatever_its_length() -> None:
    for size in range(10):
        payload = bytes(range(size))
        assert apply_mask(apply_mask(payload, b"abcd"), b"abcd") == payload


def test_a_payload_of_126_bytes_takes_the_longer_header() -> None:
    assert read(masked(0x82, b"x" * 126, b"abcd")) == [Binary(b"x" * 126)]
