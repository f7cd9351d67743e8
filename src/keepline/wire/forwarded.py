"""The headers by which an HTTP proxy says whose request it passes on."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from keepline.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def forwarded_for(headers: Mapping[str, str], peer: str, is_trusted: Callable[[str], bool]) -> str:
    """Return the address that X-Forwarded-For leads to: from the right, the first not trusted.

    What stands to the left of it anybody can have written. `peer`, a trusted proxy, when there is
    no such header; the leftmost address when all are trusted. Raises RefusedError 400 for a
    trusted part that is no address: then the proxy is set up wrongly, and to guess would be worse.
    """
    address = peer
    for entry in reversed(headers.get("x-forwarded-for", "").split(",")):
        if not entry.strip():
            continue
        address = _address_in(entry.strip())
        if not is_trusted(address):
            break
    return address


def forwarded_secure(headers: Mapping[str, str]) -> bool:
    """Return whether the nearest proxy says that its client spoke TLS to it."""
    nearest = headers.get("x-forwarded-proto", "").rpartition(",")[2]
    return nearest.strip().lower() in {"https", "wss"}


def _address_in(entry: str) -> str:
    """Return an address without its port; IPv4 in IPv6 as IPv4. Raises RefusedError 400."""
    host = entry
    if entry.startswith("["):
        host = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        host = entry.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        raise RefusedError("X-Forwarded-For has no address where one belongs") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address if mapped is None else mapped)
