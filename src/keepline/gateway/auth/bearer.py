"""Judges devices by tokens that prove themselves: modes `signed`, `jwt` and `xiaozhi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.errors import RefusedError
from keepline.gateway.auth.claims import Fault
from keepline.gateway.auth.credentials import (
    TOKEN_CHARACTERS,
    header_or_query,
    presented_token,
    shown_device_id,
)
from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.auth.claims import Scheme
    from keepline.gateway.auth.credentials import Ids
    from keepline.wire.handshake import Request


class BearerToken:
    """Holds a token against the ids it comes with; nothing is kept of a device."""

    def __init__(self, scheme: Scheme, ids: Ids, wall: Callable[[], float]) -> None:
        self._scheme = scheme
        self._ids = ids
        self._wall = wall

    async def judge(self, request: Request) -> Identity:
        """Return the identity with its token's times. Raises RefusedError 401, 403 for bad ids.

        The token first: who has none does not learn whether its id would do.
        """
        token = presented_token(request)
        if len(token) > TOKEN_CHARACTERS:
            raise RefusedError("token too long", CloseReason.UNAUTHORIZED)
        claims = self._scheme.check(
            token, shown_device_id(request), header_or_query(request, "client-id"), self._wall()
        )
        if isinstance(claims, Fault):
            raise RefusedError(claims.value, CloseReason.UNAUTHORIZED)
        device_id, client_id, *_ = self._ids.read(request)
        return Identity(device_id, client_id, claims.expires_at, claims.issued_at)
