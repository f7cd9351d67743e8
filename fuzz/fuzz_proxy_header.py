"""Fuzz the PROXY protocol's parser: `python fuzz/fuzz_proxy_header.py --seconds 10 --seed 1`."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

import engine

from keepline.errors import PeerError
from keepline.wire.proxy_header import V2_BYTES, ProxyHeader, crc32c, read_proxy_header

if TYPE_CHECKING:
    from collections.abc import Hashable


def check(data: bytes) -> Hashable:
    """Read a header whole and byte by byte; returns in short what came of it."""
    whole = _read(data)
    if isinstance(whole, ProxyHeader):
        assert 0 < whole.size <= len(data)
        assert whole.address is None or ipaddress.ip_address(whole.address)
        assert _read(data[: whole.size]) == whole, "what follows a header is not looked at"
    if whole is None:
        assert len(data) < V2_BYTES
    # Bytes that are waited for belong to the header, so the reader may take them for good.
    for size in range(len(data)):
        part = _read(data[:size])
        if part is not None:
            assert isinstance(part, str) or part == whole, "the cuts make a difference"
            break
    if isinstance(whole, str | None):
        return whole
    return whole.address and len(whole.address), whole.secure


def _read(data: bytes) -> ProxyHeader | str | None:
    try:
        return read_proxy_header(data)
    except PeerError as error:
        return error.detail


def _v2(family: int, body: bytes, command: int = 0x21) -> bytes:
    return _SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def _signed(tlvs: bytes) -> bytes:
    header = _v2(0x11, bytes(12) + tlvs + b"\x03\x00\x04" + bytes(4))
    return header[:-4] + crc32c(header).to_bytes(4)


_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_SSL = b"\x20\x00\x05\x01\x00\x00\x00\x00"
CORPUS = [
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n\x16\x03\x01",
    b"PROXY UNKNOWN\r\n",
    _v2(0x11, bytes(12)),
    _v2(0x21, bytes(36) + _SSL),
    _v2(0x31, bytes(216)),
    _v2(0x00, b"", 0x20),
    _signed(_SSL),
]
TOKENS = [
    _SIGNATURE,
    _SSL,
    b"PROXY ",
    b"UNKNOWN",
    b"TCP4 ",
    b"TCP6 ",
    b" 65535",
    b" 0",
    b"\r\n",
    b"::ffff:1.2.3.4",
    b"\x03\x00\x04",
    b"\x04\x00\x01x",
    b"\xff\xff",
]

if __name__ == "__main__":
    engine.main(check, CORPUS, TOKENS)
