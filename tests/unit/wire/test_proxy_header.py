from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepline.errors import PeerError
from keepline.reasons import CloseReason
from keepline.wire.proxy_header import (
    V1_BYTES,
    V2_BYTES,
    ProxyHeader,
    crc32c,
    read_proxy_header,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPECIFIED, TCP4, UDP4, TCP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x31
PORTS = struct.pack("!HH", 50_000, 443)


def v2(body: bytes = b"", *, family: int = UNSPECIFIED, command: int = PROXY) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def ipv4(source: str = "192.0.2.7", tlvs: bytes = b"") -> bytes:
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address("198.51.100.1").packed
    return v2(packed + PORTS + tlvs, family=TCP4)


def ipv6(source: str) -> bytes:
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address("2001:db8::1").packed
    return v2(packed + PORTS, family=TCP6)


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def refused(data: bytes) -> str:
    with pytest.raises(PeerError) as error:
        read_proxy_header(data)
    assert error.value.reason is CloseReason.PROXY_HEADER_INVALID
    return error.value.detail


V1_LONGEST = b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n"

WHOLE = [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n", "192.0.2.7"),
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 0 65535\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n", "2001:db8::7"),
    (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 50000 443\r\n", "192.0.2.7"),
    (V1_LONGEST, ":".join(["ffff"] * 8)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 whatever it says 1 2\r\n", None),
    (ipv4(), "192.0.2.7"),
    (ipv6("2001:db8::7"), "2001:db8::7"),
    (ipv6("::ffff:192.0.2.7"), "192.0.2.7"),
    (v2(bytes(216), family=UNIX), None),
    (v2(), None),
    (v2(b"who knows", family=UNSPECIFIED), None),
    (v2(command=LOCAL), None),
    (v2(b"anything", family=0x77, command=LOCAL), None),
    (ipv4(tlvs=tlv(0x04, b"padding") + tlv(0xE0, b"")), "192.0.2.7"),
]


@pytest.mark.parametrize(("header", "address"), WHOLE)
def test_a_whole_header_says_the_address_and_its_own_size(
    header: bytes, address: str | None
) -> None:
    assert read_proxy_header(header) == ProxyHeader(len(header), address)
    assert read_proxy_header(header + b"\x16\x03\x01") == ProxyHeader(len(header), address)


@pytest.mark.parametrize(("header", "address"), WHOLE)
def test_a_part_of_a_header_is_waited_for(header: bytes, address: str | None) -> None:
    for size in range(len(header)):
        assert read_proxy_header(header[:size]) is None, size


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"P ",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        SIGNATURE[:-1] + b"X",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.7\r198.51.100.1 1 2",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 somewhere 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%2 2001:db8::1 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.\xff 198.51.100.1 1 2\r\n",
        SIGNATURE + b"\x11\x11\x00\x00",
        SIGNATURE + b"\x22\x11\x00\x00",
        v2(bytes(12), family=UDP4),
        v2(bytes(12), family=0x14),
        v2(bytes(11), family=TCP4),
        v2(bytes(35), family=TCP6),
        v2(bytes(215), family=UNIX),
        ipv4(tlvs=b"\x04\x00"),
        ipv4(tlvs=b"\x04\x00\x02x"),
        ipv4(tlvs=tlv(0x03, b"123")),
        ipv4(tlvs=tlv(0x03, b"1234")),
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    assert refused(data)


def test_a_line_may_have_107_bytes_and_no_more() -> None:
    padding = V1_BYTES - len(b"PROXY UNKNOWN \r\n")
    at_limit = b"PROXY UNKNOWN " + b"x" * padding + b"\r\n"
    assert read_proxy_header(at_limit) == ProxyHeader(V1_BYTES, None)
    assert read_proxy_header(at_limit[:-1]) is None
    above = b"PROXY UNKNOWN " + b"x" * (padding + 1) + b"\r\n"
    assert "too long" in refused(above)
    assert "too long" in refused(above[:V1_BYTES])


def test_a_binary_header_may_have_4096_bytes_and_no_more() -> None:
    room = V2_BYTES - len(ipv4()) - 3
    for padding in (room - 1, room):
        header = ipv4(tlvs=tlv(0x04, bytes(padding)))
        assert read_proxy_header(header) == ProxyHeader(len(header), "192.0.2.7")
    above = ipv4(tlvs=tlv(0x04, bytes(room + 1)))
    assert "too long" in refused(above)
    assert "too long" in refused(above[:16])  # known from its first bytes: nothing is awaited


def test_a_checksum_is_compared_when_there_is_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the value every description of it gives
    unsigned = ipv4(tlvs=tlv(0x04, b"x") + tlv(0x03, bytes(4)))
    signed = unsigned[:-4] + crc32c(unsigned).to_bytes(4)
    assert read_proxy_header(signed) == ProxyHeader(len(signed), "192.0.2.7")
    for changed in (20, len(signed) - 1):
        spoiled = bytearray(signed)
        spoiled[changed] ^= 1
        assert "checksum" in refused(bytes(spoiled))


@pytest.mark.parametrize(("client", "secure"), [(0x01, True), (0x07, True), (0x06, False)])
def test_a_proxy_may_say_that_its_client_spoke_tls(client: int, *, secure: bool) -> None:
    header = ipv4(tlvs=tlv(0x20, bytes((client, 0, 0, 0, 0)) + tlv(0x21, b"TLSv1.3")))
    assert read_proxy_header(header) == ProxyHeader(len(header), "192.0.2.7", secure)


@pytest.mark.parametrize("beginning", [b"", b"PROXY ", SIGNATURE])
@given(data=st.binary(max_size=300))
def test_random_bytes_are_a_header_or_refused_or_waited_for(beginning: bytes, data: bytes) -> None:
    check_outcome_of(beginning + data)


@given(
    whole=st.sampled_from([header for header, _ in WHOLE]),
    at=st.integers(0, 60),
    instead=st.binary(max_size=3),
    more=st.binary(max_size=20),
)
def test_so_is_a_header_of_which_bytes_were_changed(
    whole: bytes, at: int, instead: bytes, more: bytes
) -> None:
    check_outcome_of(whole[:at] + instead + whole[at + len(instead) :] + more)


def check_outcome_of(data: bytes) -> None:
    outcome = outcome_of(data)
    if outcome is None:
        assert len(data) < V2_BYTES
    elif isinstance(outcome, ProxyHeader):
        assert 0 < outcome.size <= len(data)
        assert outcome.address is None or ipaddress.ip_address(outcome.address)
    else:
        assert outcome is CloseReason.PROXY_HEADER_INVALID


def outcome_of(data: bytes) -> ProxyHeader | CloseReason | None:
    try:
        return read_proxy_header(data)
    except PeerError as error:
        return error.reason
