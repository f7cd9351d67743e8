"""Who may come in: judged from the request's headers, before the upgrade."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Protocol

from keepline.errors import RefusedError
from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.wire.handshake import Request

# What a device may call itself: MAC addresses and UUIDs fit, log lines and paths do not.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,127}")


class Authenticator(Protocol):
    """Decides whether a request may be upgraded."""

    async def judge(self, request: Request) -> Identity:
        """Return who it is. Raises RefusedError with 400, 401, 403 or 503."""


class StaticToken:
    """One token for the whole fleet, compared in constant time."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def judge(self, request: Request) -> Identity:
        """Return the identity in the headers. Raises RefusedError 401, or 403 for a bad id."""
        if not hmac.compare_digest(_presented_token(request).encode(), self._token):
            raise RefusedError("token missing or wrong", CloseReason.UNAUTHORIZED)
        return read_identity(request)


class OpenDoor:
    """No token at all; `app` allows it only where nobody but this machine can connect."""

    async def judge(self, request: Request) -> Identity:
        """Return the identity in the headers. Raises RefusedError 403 for a bad id."""
        return read_identity(request)


def read_identity(request: Request) -> Identity:
    """Return the ids of a request. Raises RefusedError 403 when one is no id."""
    device_id = _header_or_query(request, "device-id")
    client_id = _header_or_query(request, "client-id")
    if not _ID.fullmatch(device_id):
        raise RefusedError("Device-Id is missing or not an id", CloseReason.FORBIDDEN)
    if client_id and not _ID.fullmatch(client_id):
        raise RefusedError("Client-Id is not an id", CloseReason.FORBIDDEN)
    return Identity(device_id, client_id)


def _header_or_query(request: Request, name: str) -> str:
    """Return a header, or the query field by the same name: browsers cannot set headers."""
    return request.headers.get(name) or request.query.get(name, "")


def _presented_token(request: Request) -> str:
    scheme, _, token = _header_or_query(request, "authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
