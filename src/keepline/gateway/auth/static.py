"""One token for the whole fleet, or none at all."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from keepline.errors import RefusedError
from keepline.gateway.auth.contract import IssuedToken
from keepline.gateway.auth.credentials import Ids, presented_token
from keepline.reasons import CloseReason
from keepline.settings.auth import Auth

if TYPE_CHECKING:
    from keepline.gateway.identity import Identity
    from keepline.wire.handshake import Request

NO_TOKEN = "none"  # noqa: S105 (what a device is told where nobody asks for one)


class StaticToken:
    """One token for the whole fleet, compared in constant time."""

    def __init__(self, token: str, ids: Ids | None = None) -> None:
        self._token = token.encode()
        self._ids = ids or Ids(Auth())

    async def judge(self, request: Request) -> Identity:
        """Return the identity in the headers. Raises RefusedError 401, or 403 for a bad id."""
        presented = presented_token(request).encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(presented, self._token):
            raise RefusedError("token missing or wrong", CloseReason.UNAUTHORIZED)
        return self._ids.read(request)


class OpenDoor:
    """No token at all; allowed only where nobody but this machine can connect."""

    def __init__(self, ids: Ids | None = None) -> None:
        self._ids = ids or Ids(Auth())

    async def judge(self, request: Request) -> Identity:
        """Return the identity in the headers. Raises RefusedError 403 for a bad id."""
        return self._ids.read(request)


class StaticIssuer:
    """Hands the fleet's token to everybody."""

    def __init__(self, token: str) -> None:
        self._token = token

    def issue(self, device_id: str, client_id: str, now_wall: float) -> IssuedToken:  # noqa: ARG002
        """Return the one token; it never expires."""
        return IssuedToken(self._token, None)
