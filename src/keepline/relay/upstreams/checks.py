"""Asks an upstream whether it is there: a connection, and with a path an HTTP answer."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from keepline.relay.upstreams.upstream import Upstream

LINE_BYTES: Final = 1_024
_WELL: Final = re.compile(rb"HTTP/1\.[01] (2[0-9][0-9])(?: .*)?\r\n")
_PORTS: Final = {"ws": 80, "wss": 443}


async def check(
    upstream: Upstream, path: str, timeout_s: float, tls: ssl.SSLContext | None = None
) -> str:
    """Return what is wrong in a few words, empty when it is well.

    Well is who takes a connection, TLS where it is `wss`, and answers `path` with 2xx where there
    is one. Bounded by `timeout_s` as a whole.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _check(upstream.url, path, tls)
    except TimeoutError:
        return "no answer in time"
    except ssl.SSLError as error:
        return f"TLS failed: {error.reason or 'error'}".replace("_", " ").lower()
    except UnicodeError:
        return "no such name"
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return _words(error)


async def _check(url: str, path: str, tls: ssl.SSLContext | None) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    secure = parts.scheme == "wss"
    context = (tls or ssl.create_default_context()) if secure else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=LINE_BYTES)
    try:
        if not path:
            return ""
        request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        line = await reader.readuntil(b"\r\n")
        if _WELL.fullmatch(line):
            return ""
        status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", line)
        return "no HTTP answer" if status is None else f"status {status[1].decode()}"
    finally:
        # An answer that goes on and on is not waited for.
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _words(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionError():
            return "connection lost"
        case asyncio.IncompleteReadError():
            return "closed without an answer"
        case asyncio.LimitOverrunError():
            return "no HTTP answer"
        case OSError(strerror=str(words)):
            return words.lower()
        case _:
            return "no connection"
