"""Pure: how a device introduced itself, word for word, as an upstream is to hear it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from msgspec import Struct

from keepline.wire.client_handshake import upgrade_request

if TYPE_CHECKING:
    from keepline.gateway.identity import Identity
    from keepline.wire.handshake import Request

# Of one connection, not of who speaks over it (RFC 9110 §7.6.1); and what only we may say.
_OF_THE_HOP: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS: Final = ("sec-websocket-", "proxy-", "x-forwarded-", "x-keepline-", "x-real-ip")
# Said in a header or in the query; where in both, we went by the header.
_WHO: Final = ("authorization", "client-id", "device-id", "protocol-version")
_LINE: Final = "\r\n"


class Place(Struct, frozen=True, gc=False):
    """Where an upstream is, from its URL."""

    host: str
    port: int
    path: str
    query: str
    is_secure: bool

    @classmethod
    def of(cls, url: str) -> Self:
        """Read a URL that the settings have checked."""
        parts = urlsplit(url)
        is_secure = parts.scheme == "wss"
        port = parts.port or (443 if is_secure else 80)
        assert parts.hostname is not None, "checked by the settings"
        return cls(parts.hostname, port, parts.path or "/", parts.query, is_secure)

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"


class Introduction(Struct, frozen=True, gc=False):
    """What an upstream is told of a device in the upgrade: two strings, kept for its next one."""

    lines: str
    query: str

    @classmethod
    def of(cls, request: Request, identity: Identity, session_id: str, token: str | None) -> Self:
        """Take over what the device sent, and add who we know it is and where it comes from.

        `token` takes the place of the device's own, in header and query.
        """
        said = request.headers
        named = {part.strip(" \t").lower() for part in said.get("connection", "").split(",")}
        headers = {
            name.title(): value
            for name, value in said.items()
            if name not in named and _is_the_devices(name)
        }
        # An upstream that looks into the query first would else take it for another device.
        unheard = {name for name in _WHO if said.get(name)}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
            unheard.add("authorization")
        query = {
            name: value for name, value in request.query.items() if name.lower() not in unheard
        }
        headers["X-Forwarded-For"] = request.address
        headers["X-Forwarded-Proto"] = "https" if request.secure else "http"
        headers["X-Keepline-Device-Id"] = identity.device_id
        headers["X-Keepline-Client-Id"] = identity.client_id
        if session_id:
            headers["X-Keepline-Session-Id"] = session_id
        lines = _LINE.join(f"{name}: {value}" for name, value in headers.items() if value)
        return cls(lines, urlencode(query, quote_via=quote))

    def upgrade(self, place: Place, key: str) -> bytes:
        """Encode the request to one upstream; `key` is 16 unpredictable bytes in base64."""
        query = "&".join(filter(None, (place.query, self._query_beside(place))))
        headers = dict(line.split(": ", 1) for line in self.lines.split(_LINE))
        return upgrade_request(
            host=place.authority,
            target=f"{place.path}?{query}" if query else place.path,
            headers=headers,
            key=key,
        )

    def _query_beside(self, place: Place) -> str:
        """Return what the device asks in its query, without what the upstream's own URL says."""
        if not place.query or not self.query:
            return self.query
        own = {name for name, _ in parse_qsl(place.query, keep_blank_values=True)}
        asked = parse_qsl(self.query, keep_blank_values=True)
        return urlencode([each for each in asked if each[0] not in own], quote_via=quote)


def _is_the_devices(name: str) -> bool:
    """Whether a header is the device's to say; some servers take `_` for `-` in its name."""
    name = name.replace("_", "-")
    return name not in _OF_THE_HOP and not name.startswith(_OURS)
