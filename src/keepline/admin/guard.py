"""Who may use the admin interface, and how: judged before any route sees the request.

There are no cookies and no sessions, so a browser has nothing to be tricked into sending along.
Without a token the interface is for this machine only, and a page that a browser on it shows must
not get in: that is what the checks of Host and Origin are for. The dashboard is the one page that
may: it comes from here.
"""

from __future__ import annotations

import hmac
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from keepline.admin.page import is_of_page
from keepline.errors import StartError
from keepline.gateway.sockets import is_loopback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from keepline.log import Log
    from keepline.settings.server import Admin

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What an orchestrator asks without a token. `/metrics` is not among them: it names numbers of
devices, and a scraper can send a token."""

BODY_BYTES = 65_536
_READS = frozenset({"GET", "HEAD"})


class Refusal(NamedTuple):
    """An answer in place of a route's."""

    status: HTTPStatus
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Guard:
    """Wraps an ASGI application. Raises StartError for an interface open to everybody.

    Refuses who shows no token (401), a Host that is not this machine's while listening on loopback
    (421), and a change that is not a POST (405), comes from a web page of others (403), is not JSON
    (415), or has no length (411) or too much of it (413). What a route raises is logged and
    answered 500. The dashboard's own files are told without a token.
    """

    def __init__(self, app: Application, admin: Admin, log: Log) -> None:
        self._app = app
        self._log = log
        self._loopback = is_loopback(admin.host)
        self._token = None if admin.token is None else admin.token.encode()
        if self._token is None and not self._loopback:
            raise StartError(
                f"no admin token is set, and {admin.host} can be reached by everybody",
                "set admin.token (KEEPLINE_ADMIN__TOKEN keeps it from `ps`; `keepline token` makes"
                " one), or keep the admin port on this machine with --admin-host 127.0.0.1",
            )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or have the application answer it."""
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(send, refusal)
            return
        # The server leaves the body out where HEAD was asked, from its own copy of the scope.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self._app(asked, receive, send)
        except Exception as error:  # noqa: BLE001 (a route's fault; the application has answered 500)
            self._log.error("admin_request_failed", path=scope["path"], error=error)

    def _refusal(self, scope: MutableMapping[str, Any]) -> Refusal | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        reads = scope["method"] in _READS
        if reads and scope["path"] in OPEN_PATHS:
            return None
        if self._loopback and not is_loopback(_host_name(headers.get(b"host", b""))):
            return Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this admin port is for its own machine: ask it as 127.0.0.1 or localhost",
            )
        if reads and is_of_page(scope["path"]):
            return None  # it asks for the token itself
        if self._token is not None and not self._shows_token(headers):
            return Refusal(
                HTTPStatus.UNAUTHORIZED,
                "the admin token is missing or wrong: send it as Authorization: Bearer",
                ((b"www-authenticate", b"Bearer"),),
            )
        return None if reads else _refusal_of_change(scope["method"], headers)

    def _shows_token(self, headers: dict[bytes, bytes]) -> bool:
        assert self._token is not None
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


def _refusal_of_change(method: str, headers: dict[bytes, bytes]) -> Refusal | None:
    if method != "POST":
        return Refusal(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "read with GET, change with POST",
            ((b"allow", b"GET, HEAD, POST"),),
        )
    if b"origin" in headers and not _is_own_page(headers):
        return Refusal(HTTPStatus.FORBIDDEN, "a web page of others may not change anything here")
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json")
    length = headers.get(b"content-length", b"")
    if b"transfer-encoding" in headers or not length.isdigit():
        return Refusal(HTTPStatus.LENGTH_REQUIRED, "send the body with its Content-Length")
    if int(length) > BODY_BYTES:
        return Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {BODY_BYTES} bytes"
        )
    return None


def _is_own_page(headers: dict[bytes, bytes]) -> bool:
    """Return whether the page that asks came from where it asks; its Host has been judged before.

    Over TLS, by a proxy in front, too: the scheme is the only difference then.
    """
    scheme, _, place = headers[b"origin"].lower().partition(b"://")
    return scheme in (b"http", b"https") and place == headers.get(b"host", b"").lower()


def _host_name(host: bytes) -> str:
    """Return the name in a Host header: without the port, an IPv6 address without brackets."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"detail": refusal.detail}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": int(refusal.status),
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *refusal.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
