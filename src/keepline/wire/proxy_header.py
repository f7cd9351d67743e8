"""The PROXY protocol, versions 1 and 2: what a proxy says of the connection it passes on.

Strict: what does not follow the specification to the letter is no header. Addresses of the
destination are checked and thrown away.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Final, NamedTuple

from keepline.errors import PeerError
from keepline.reasons import CloseReason

V1_BYTES: Final = 107  # the longest line the specification allows, with its CRLF
V2_BYTES: Final = 4_096  # an address and TLVs; a proxy that sends certificates needs some 2 KiB
_V1: Final = b"PROXY "
_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD: Final = struct.Struct("!12sBBH")
_TLV_HEAD: Final = struct.Struct("!BH")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_ADDRESS_BYTES: Final = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}
_TLV_CRC32C, _TLV_SSL = 0x03, 0x20
_CRC_BYTES: Final = 4
_CLIENT_SSL: Final = 0x01
_PORT_MOST: Final = 65_535


class ProxyHeader(NamedTuple):
    """A whole header of `size` bytes.

    `address` is the client's IP address; None where the proxy speaks for itself (a health check)
    or knows none. `secure` is whether the client came to the proxy over TLS, as far as it says.
    """

    size: int
    address: str | None
    secure: bool = False


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Return the header that `data` begins with; None until it is all there.

    Raises PeerError `proxy_header_invalid`, as early as that can be known.
    """
    if data.startswith(_V1) or (data and _V1.startswith(data)):
        return _read_v1(data)
    if data.startswith(_V2) or (data and _V2.startswith(data)):
        return _read_v2(data)
    if not data:
        return None
    raise _invalid("no PROXY header, though a trusted proxy has to send one")


def _invalid(detail: str) -> PeerError:
    return PeerError(detail, CloseReason.PROXY_HEADER_INVALID)


# -- version 1: a line of text -------------------------------------------------------------


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, V1_BYTES)
    if end < 0:
        if len(data) >= V1_BYTES:
            raise _invalid("PROXY line is too long")
        if b"\n" in data or b"\r" in data[:-1]:
            raise _invalid("PROXY line does not end in CRLF")
        return None
    fields = data[len(_V1) : end].split(b" ")
    if fields[0] == b"UNKNOWN":
        return ProxyHeader(end + 2, None)
    if len(fields) != 5:  # noqa: PLR2004 (family, two addresses, two ports)
        raise _invalid("PROXY line has not five fields")
    family, source, destination, *ports = fields
    if family not in {b"TCP4", b"TCP6"}:
        raise _invalid("PROXY line names an unknown family")
    for port in ports:
        if not _is_port(port):
            raise _invalid("PROXY line has no port where one belongs")
    version = 4 if family == b"TCP4" else 6
    _address_in(destination, version)
    return ProxyHeader(end + 2, _address_in(source, version))


def _is_port(text: bytes) -> bool:
    return (
        text.isdigit()
        and len(text) <= len(str(_PORT_MOST))
        and int(text) <= _PORT_MOST
        and (len(text) == 1 or text[0:1] != b"0")
    )


def _address_in(text: bytes, version: int) -> str:
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        raise _invalid("PROXY line has no address where one belongs") from None
    if address.version != version or b"%" in text:
        raise _invalid("PROXY line has an address of another family")
    return _plain(address)


# -- version 2: binary ---------------------------------------------------------------------


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_HEAD.size:
        return None
    _, command, family, length = _V2_HEAD.unpack_from(data)
    size = _V2_HEAD.size + length
    if size > V2_BYTES:
        raise _invalid("PROXY header is too long")
    if command not in {_LOCAL, _PROXY}:
        raise _invalid("PROXY header has an unknown version or command")
    # A proxy that speaks for itself may fill in any family; it is not looked at.
    address_bytes = _ADDRESS_BYTES.get(family) if command == _PROXY else 0
    if address_bytes is None:
        raise _invalid("PROXY header has an unknown family, or one that is no stream")
    if length < address_bytes:
        raise _invalid("PROXY header is shorter than its addresses")
    if len(data) < size:
        return None
    if command == _LOCAL:
        return ProxyHeader(size, None)
    header = data[:size]
    secure = False
    if family != _UNSPECIFIED:
        secure = _read_tlvs(header, _V2_HEAD.size + address_bytes)
    return ProxyHeader(size, _source(header, family), secure)


def _source(header: bytes, family: int) -> str | None:
    start = _V2_HEAD.size
    if family == _TCP4:
        return _plain(ipaddress.IPv4Address(header[start : start + 4]))
    if family == _TCP6:
        return _plain(ipaddress.IPv6Address(header[start : start + 16]))
    return None  # a Unix socket of the proxy's machine, or nothing that it could tell


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address if mapped is None else mapped)


def _read_tlvs(header: bytes, at: int) -> bool:
    """Check that what follows the addresses is well-formed; return whether TLS was spoken."""
    secure = False
    while at < len(header):
        if len(header) - at < _TLV_HEAD.size:
            raise _invalid("PROXY header ends inside a TLV")
        kind, length = _TLV_HEAD.unpack_from(header, at)
        at += _TLV_HEAD.size
        if len(header) - at < length:
            raise _invalid("PROXY header ends inside a TLV")
        if kind == _TLV_SSL and length:
            secure = bool(header[at] & _CLIENT_SSL)
        elif kind == _TLV_CRC32C:
            _check_crc(header, at, length)
        at += length
    return secure


def _check_crc(header: bytes, at: int, length: int) -> None:
    """Compare the checksum at `at` with that of the header, its own bytes taken as zero."""
    if length != _CRC_BYTES:
        raise _invalid("PROXY header has a checksum of the wrong size")
    told = int.from_bytes(header[at : at + _CRC_BYTES])
    if crc32c(header[:at] + bytes(_CRC_BYTES) + header[at + _CRC_BYTES :]) != told:
        raise _invalid("PROXY header has a wrong checksum")


def crc32c(data: bytes) -> int:
    """Return the Castagnoli CRC (RFC 3309 appendix B, in the bit order of RFC 3720)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE: Final = tuple(_crc_of_byte(byte) for byte in range(256))
