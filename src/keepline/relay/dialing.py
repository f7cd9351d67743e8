"""From an upstream's URL to an open connection: TCP, TLS, the upgrade."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING

from keepline.errors import PeerError
from keepline.wire.client_handshake import Response, ResponseReader

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from keepline.relay.introduction import Introduction, Place
    from keepline.wire.limits import Limits

_SWITCHING = 101
_KEY_BYTES = 16


class UnreachableError(Exception):
    """An upstream could not be reached, or does not speak as it should; says how."""


class _Dialling(asyncio.Protocol):
    """A connection before its 101."""

    def __init__(self, reader: ResponseReader, loop: asyncio.AbstractEventLoop) -> None:
        self._reader = reader
        self.response: asyncio.Future[Response] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        if self.response.done():
            self._reader.rest += data  # frames that came before somebody takes them
            return
        try:
            response = self._reader.receive(data)
        except PeerError as error:
            self.response.set_exception(error)
            return
        if response is not None:
            self.response.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.response.done():
            self.response.set_exception(exc or ConnectionResetError("closed without an answer"))


class Answered:
    """An upstream's answer to an upgrade: a refusal, or with 101 a transport to take over."""

    def __init__(
        self, transport: asyncio.Transport, response: Response, reader: ResponseReader
    ) -> None:
        self.transport = transport
        self.response = response
        self._reader = reader

    @property
    def is_open(self) -> bool:
        """Whether it was a 101."""
        return self.response.status == _SWITCHING

    @property
    def early(self) -> bytes:
        """Frames that came right behind the 101."""
        return self._reader.rest


async def dial(
    place: Place,
    introduction: Introduction,
    *,
    loop: asyncio.AbstractEventLoop,
    draw: Callable[[int], bytes],
    limits: Limits,
    tls: ssl.SSLContext | None,
    timeout_s: float,
) -> Answered:
    """Ask the upstream at `place` to take a device. Raises UnreachableError."""
    key = b64encode(draw(_KEY_BYTES)).decode()
    reader = ResponseReader(limits, key=key)
    transport: asyncio.Transport | None = None
    answered = False
    try:
        async with asyncio.timeout(timeout_s):
            transport, dialling = await loop.create_connection(
                lambda: _Dialling(reader, loop), place.host, place.port, ssl=tls
            )
            transport.write(introduction.upgrade(place, key))
            response = await dialling.response
            answered = True
            return Answered(transport, response, reader)
    except TimeoutError:
        raise UnreachableError("no answer in time") from None
    except UnicodeError:
        raise UnreachableError("no such name") from None
    except (OSError, PeerError) as error:  # ssl.SSLError is an OSError
        raise UnreachableError(_said(error)) from None
    finally:
        if transport is not None and not answered:
            transport.abort()


def _said(error: OSError | PeerError) -> str:
    if isinstance(error, PeerError):
        return error.detail
    return error.strerror or str(error) or type(error).__name__
