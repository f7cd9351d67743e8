from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.errors import InvalidDataError
from keepline.wire.audio import VERSIONS, Packet, pack, unpack

FRAME = bytes(range(40))
# As the firmware's own structures come out.
HEAD_2 = bytes.fromhex("00020000000000000000000000000028")
HEAD_3 = bytes.fromhex("00000028")


def test_version_1_is_the_bare_frame() -> None:
    assert pack(FRAME, 1, 77) == FRAME
    assert unpack(FRAME, 1) == Packet(FRAME, 0)


def test_version_2_puts_sixteen_bytes_before_the_frame() -> None:
    assert pack(FRAME, 2) == HEAD_2 + FRAME
    assert unpack(HEAD_2 + FRAME, 2) == Packet(FRAME, 0)


def test_version_2_carries_a_timestamp_in_network_order() -> None:
    message = pack(b"\x58", 2, 0x01020304)
    assert message == bytes.fromhex("00020000000000000102030400000001") + b"\x58"
    assert unpack(message, 2).timestamp_ms == 0x01020304


@pytest.mark.parametrize(
    ("timestamp_ms", "carried"), [(0xFFFF_FFFF, 0xFFFF_FFFF), (0x1_0000_0000, 0), (-1, 0xFFFF_FFFF)]
)
def test_a_timestamp_beyond_32_bits_begins_anew_as_the_device_clock_does(
    timestamp_ms: int, carried: int
) -> None:
    assert unpack(pack(FRAME, 2, timestamp_ms), 2).timestamp_ms == carried


def test_version_3_puts_four_bytes_before_the_frame() -> None:
    assert pack(FRAME, 3, 77) == HEAD_3 + FRAME
    assert unpack(HEAD_3 + FRAME, 3) == Packet(FRAME, 0)


@given(st.sampled_from(VERSIONS), st.binary(min_size=1), st.integers(0, 0xFFFF_FFFF))
def test_what_was_packed_comes_out_again(version: int, frame: bytes, timestamp_ms: int) -> None:
    packet = unpack(pack(frame, version, timestamp_ms), version)
    assert packet.payload == frame
    assert packet.timestamp_ms == (timestamp_ms if version == 2 else 0)


@given(st.sampled_from(VERSIONS), st.binary(max_size=40))
def test_any_bytes_are_a_packet_that_fits_or_invalid(version: int, message: bytes) -> None:
    try:
        packet = unpack(message, version)
    except InvalidDataError:
        return
    assert packet.payload
    if isinstance(packet.payload, bytes) and version == 1:
        assert pack(packet.payload, 1) == message


@pytest.mark.parametrize("size", [65_534, 65_535])
def test_a_frame_of_version_3_may_be_as_long_as_its_size_field_can_say(size: int) -> None:
    assert unpack(pack(bytes(size), 3), 3).payload == bytes(size)


def test_a_longer_frame_cannot_be_packed_in_version_3() -> None:
    with pytest.raises(ValueError, match="65535 bytes a frame, not 65536"):
        pack(bytes(65_536), 3)


@pytest.mark.parametrize("version", [1, 2])
def test_the_other_versions_hold_any_size(version: int) -> None:
    assert unpack(pack(bytes(70_000), version), version).payload == bytes(70_000)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_frame_cannot_be_packed(version: int) -> None:
    with pytest.raises(ValueError, match="never empty"):
        pack(b"", version)


@pytest.mark.parametrize("version", [0, 4, -1, 22])
def test_another_version_is_an_error_of_the_caller(version: int) -> None:
    with pytest.raises(ValueError, match="1, 2 or 3"):
        pack(FRAME, version)
    with pytest.raises(ValueError, match="1, 2 or 3"):
        unpack(FRAME, version)


def head_2(*, version: int = 2, kind: int = 0, reserved: int = 0, size: int = 40) -> bytes:
    return b"".join(
        (
            version.to_bytes(2),
            kind.to_bytes(2),
            reserved.to_bytes(4),
            bytes(4),
            size.to_bytes(4),
        )
    )


@pytest.mark.parametrize(
    ("version", "message", "detail"),
    [
        (1, b"", "empty"),
        (2, b"", "shorter than its header"),
        (2, head_2()[:-1], "shorter than its header"),
        (2, head_2(size=0), "empty"),
        (2, head_2(size=39) + FRAME, "40 bytes says 39"),
        (2, head_2(size=41) + FRAME, "40 bytes says 41"),
        (2, head_2(size=0xFFFF_FFFF) + FRAME, "40 bytes says 4294967295"),
        (2, head_2(version=1) + FRAME, "version 1 in a session of version 2"),
        (2, head_2(version=3) + FRAME, "version 3 in a session of version 2"),
        (2, head_2(kind=2) + FRAME, "unknown type 2"),
        (2, head_2(kind=256) + FRAME, "unknown type 256"),
        (2, head_2(kind=1, size=1) + b"\xff", "not UTF-8"),
        (3, b"", "shorter than its header"),
        (3, b"\0\0\0", "shorter than its header"),
        (3, b"\0\0\0\0", "empty"),
        (3, b"\0\0\0\x27" + FRAME, "40 bytes says 39"),
        (3, b"\0\0\0\x29" + FRAME, "40 bytes says 41"),
        (3, b"\x02\0\0\x28" + FRAME, "unknown type 2"),
        (3, b"\x01\0\0\x02\xed\xa0", "not UTF-8"),
    ],
)
def test_a_message_that_does_not_fit_is_invalid(version: int, message: bytes, detail: str) -> None:
    with pytest.raises(InvalidDataError, match=detail):
        unpack(message, version)


def test_what_is_reserved_is_not_looked_at() -> None:
    assert unpack(head_2(reserved=7) + FRAME, 2).payload == FRAME
    assert unpack(b"\0\x07\0\x28" + FRAME, 3).payload == FRAME


@pytest.mark.parametrize("message", [head_2(kind=1, size=6), b"\x01\0\0\x06"])
def test_a_packet_of_type_json_is_a_text(message: bytes) -> None:
    version = 2 if len(message) == 16 else 3
    assert unpack(message + "你好".encode(), version).payload == "你好"
