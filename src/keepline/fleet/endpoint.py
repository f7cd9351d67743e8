"""Where simulated devices connect, from a URL."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from keepline.errors import StartError

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

_PORTS: Final = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_SECURE: Final = {"wss", "https"}
WEBSOCKET: Final = ("ws", "wss")
CONFIGURATION: Final = ("http", "https")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One URL, its host looked up: `addresses` are tried in their order. `tls` None is plain."""

    host: str
    port: int
    target: str
    tls: ssl.SSLContext | None
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL says, before its host is looked up."""

    host: str
    port: int
    target: str
    is_secure: bool


def read_url(url: str, schemes: tuple[str, ...]) -> Place:
    """Return what `url` says. Raises StartError for a URL that is none, or of another scheme."""
    hint = f"use {schemes[0]}://HOST:PORT/PATH or {schemes[1]}://HOST:PORT/PATH"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise StartError("a URL with that host or port cannot be", hint) from None
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None:
        raise StartError(f"{_shown(url)!r} is not where a device connects", hint)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise StartError(f"the path of {_shown(url)!r} cannot be sent", hint)
    return Place(parts.hostname, port or _PORTS[parts.scheme], target, parts.scheme in _SECURE)


async def look_up(
    place: Place, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext | None
) -> Endpoint:
    """Return where that is. `tls` is used if the URL asks for it. Raises StartError."""
    try:
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise StartError(f"nobody knows the host {place.host!r}", "is it spelt right?") from error
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    secure = tls if place.is_secure else None
    return Endpoint(place.host, place.port, place.target, secure, addresses)


def is_this_machine(place: Place) -> bool:
    """Return whether only this machine can be meant by the host."""
    if place.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(place.host).is_loopback
    except ValueError:
        return False


def trusted(ca: Path | None) -> ssl.SSLContext:
    """Return what TLS is checked with: the system's authorities, or those in `ca` (PEM).

    Raises StartError.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"cannot read certificates from {ca}: {error}", "give --ca a file in PEM"
        ) from error


def _shown(url: str) -> str:
    """Return a URL without what may be a secret in it."""
    return url.partition("?")[0].rpartition("@")[2] if "@" in url else url.partition("?")[0]
