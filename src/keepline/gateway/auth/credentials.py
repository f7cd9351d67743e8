"""What a request shows of itself: ids, token, Origin. The shape of each is checked here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keepline.errors import RefusedError
from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason
from keepline.settings.auth import ID_PATTERNS

if TYPE_CHECKING:
    from collections.abc import Collection

    from keepline.settings.auth import Auth
    from keepline.wire.handshake import Request

ID_CHARACTERS: Final = 128
TOKEN_CHARACTERS: Final = 4_096
"""More than any token of ours has; a JWT with many claims has 2,000."""

# Whatever pattern an operator writes: an id is one word of printable ASCII.
_WORD: Final = re.compile(r"[\x21-\x7e]{1,128}")


class Ids:
    """Reads the ids of requests by the allow-list patterns of the settings."""

    __slots__ = ("_client", "_device")

    def __init__(self, settings: Auth) -> None:
        self._device = _compiled(settings.device_ids)
        self._client = _compiled(settings.client_ids)

    def read(self, request: Request) -> Identity:
        """Return who the request says it is. Raises RefusedError 403 when one is no id."""
        return self.check(shown_device_id(request), header_or_query(request, "client-id"))

    def check(self, device_id: str, client_id: str) -> Identity:
        """Return both as an identity. Raises RefusedError 403 when one is no id."""
        if not _fits(device_id, self._device):
            raise RefusedError("Device-Id is missing or not an id", CloseReason.FORBIDDEN)
        if client_id and not _fits(client_id, self._client):
            raise RefusedError("Client-Id is not an id", CloseReason.FORBIDDEN)
        return Identity(device_id, client_id)


def check_origin(request: Request, allowed: Collection[str]) -> None:
    """Raise RefusedError 403 for a web page that is not allowed; devices send no Origin."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in allowed:
        raise RefusedError("this Origin is not among auth.origins", CloseReason.ORIGIN_REFUSED)


def presented_token(request: Request) -> str:
    """Return the bearer token, "" for none; it may be anything.

    Web pages put it into the query field as often without the scheme as with it.
    """
    shown = request.headers.get("authorization")
    if not shown:
        shown = request.query.get("authorization", "")
        if " " not in shown:
            return shown
    scheme, _, token = shown.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def shown_device_id(request: Request) -> str:
    """Return what stands where the Device-Id should be, unchecked; "" for nothing."""
    return header_or_query(request, "device-id")


def header_or_query(request: Request, name: str) -> str:
    """Return a header, or the query field by the same name: browsers cannot set headers."""
    return request.headers.get(name) or request.query.get(name, "")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(ID_PATTERNS.get(pattern, pattern))


def _fits(text: str, pattern: re.Pattern[str]) -> bool:
    return _WORD.fullmatch(text) is not None and pattern.fullmatch(text) is not None
