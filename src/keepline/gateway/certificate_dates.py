"""From when to when a certificate is good, out of its file: `ssl` tells that of a peer alone."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_BEFORE_DATES: Final = 3  # serial number, algorithm, issuer (RFC 5280 §4.1)


def expires_at(pem: str) -> float | None:
    """Return in Unix time when the first certificate of a chain ends, None where none is read."""
    dates = validity(pem)
    return None if dates is None else dates[1]


def validity(pem: str) -> tuple[float, float] | None:
    """Return from when to when the first certificate is good, as `expires_at` does."""
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        return _dates(ssl.PEM_cert_to_DER_cert(found[0]))
    except (ValueError, IndexError):
        return None


def _dates(der: bytes) -> tuple[float, float]:
    [(_, certificate)] = _parts(der)
    [(_, signed), *_] = _parts(certificate)
    fields = [part for part in _parts(signed) if part[0] != _VERSION]
    tag, dates = fields[_BEFORE_DATES]
    if tag != _SEQUENCE:
        raise ValueError("no dates where they belong")
    begin, end = _parts(dates)
    return _moment(*begin), _moment(*end)


def _moment(tag: int, encoded: bytes) -> float:
    # UTCTime has two digits for the year, and means 1950 to 2049 (RFC 5280 §4.1.2.5).
    text = encoded.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of what stands one behind the other (X.690 §8.1)."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(der[at : at + octets], "big")
            at += octets
        if at + length > len(der):
            raise ValueError("cut off")
        yield tag, der[at : at + length]
        at += length
