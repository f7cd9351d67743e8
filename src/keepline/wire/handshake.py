"""The opening handshake in the server's role, and the few other HTTP answers we give."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import httptools
import msgspec

from keepline.errors import RefusedError
from keepline.reasons import CloseReason
from keepline.wire.request_head import (
    RequestHead,
    check_head,
    content_length,
    read_headers,
    split_target,
    websocket_key,
)

if TYPE_CHECKING:
    from keepline.wire.limits import Limits

_ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_TLS_RECORD: Final = b"\x16\x03"  # a handshake of any version
# What a status must say besides its number (RFC 9110 §15.5.2, §15.5.6, §15.5.22).
_REQUIRED_HEADERS: Final = {
    401: "WWW-Authenticate: Bearer\r\n",
    405: "Allow: GET, POST\r\n",
    426: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
}


class Request(msgspec.Struct, frozen=True):
    """One request whose head is in order.

    `path` is as sent, not percent-decoded; `query` is decoded. `headers` has lower-case names and
    of a repeated line the last value. `key` is None unless `is_upgrade`. `address` is the IP
    address it comes from and `secure` whether it came over TLS, as far as the listener knows.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    key: str | None
    content_length: int
    body: bytes
    address: str = ""
    secure: bool = False

    @property
    def is_upgrade(self) -> bool:
        """Whether this asks for a WebSocket, correctly."""
        return self.key is not None


class RequestReader:
    """Reads one request; the only one, whatever follows it."""

    __slots__ = (
        "_address",
        "_head",
        "_head_left",
        "_limits",
        "_malformed",
        "_parser",
        "_request",
        "_secure",
        "rest",
    )

    def __init__(self, limits: Limits, *, address: str = "", secure: bool = False) -> None:
        self._limits = limits
        self._address = address
        self._secure = secure
        self._head = RequestHead()
        self._head_left = limits.head_bytes
        self._malformed = False
        self._parser = httptools.HttpRequestParser(self._head)
        self._request: Request | None = None  # checked, but its body may not be there yet
        self.rest = b""  # frames that came right behind the head of an upgrade

    def receive(self, data: bytes) -> Request | None:
        """Return the request once it is all there, None until then; then not to be called again.

        Raises RefusedError (400, 405, 413, 426, 431).
        """
        request = self._request
        if request is None:
            # No more than the head may have goes in at once, so that no bound is found out late.
            part, data = data[: self._head_left], data[self._head_left :]
            if self._head_left == self._limits.head_bytes and part.startswith(_TLS_RECORD):
                raise RefusedError("TLS was sent to a port that speaks plain HTTP")
            self._head_left -= len(part)
            self._feed(part)
            if len(self._head.lines) > self._limits.head_lines:
                raise RefusedError("too many header lines", CloseReason.HEAD_TOO_LARGE)
            if not self._head.is_whole:
                self._refuse_malformed()
                if not self._head_left:
                    raise RefusedError("request head is too large", CloseReason.HEAD_TOO_LARGE)
                return None
            request = self._request = self._check()
        if request.is_upgrade:
            self.rest += data
        elif not self._head.is_over:
            self._feed(data)
        if self._head.is_over:
            return self._whole(request)
        self._refuse_malformed()
        return None

    def _whole(self, request: Request) -> Request:
        body = bytes(self._head.body)
        if len(body) != request.content_length:
            # httptools reads no body behind an Upgrade, whatever it is to.
            raise RefusedError("an upgrade has no body")
        return msgspec.structs.replace(request, body=body) if body else request

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._malformed = True

    def _refuse_malformed(self) -> None:
        if self._malformed:
            raise RefusedError("request is not HTTP/1.1")

    def _check(self) -> Request:
        method = self._parser.get_method().decode("ascii")
        headers = read_headers(self._head.lines)
        check_head(method, self._parser.get_http_version(), headers)
        path, query = split_target(self._head.target, self._limits)
        return Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            key=websocket_key(method, headers),
            content_length=content_length(method, headers, self._limits),
            body=b"",
            address=self._address,
            secure=self._secure,
        )


def accept_token(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers `key`."""
    # SHA-1 because RFC 6455 §1.3 says so; nothing secret hangs on it.
    return b64encode(sha1(key.encode() + _ACCEPT_GUID, usedforsecurity=False).digest()).decode()


def upgrade_response(request: Request) -> bytes:
    """Encode the 101 that opens the WebSocket."""
    assert request.key is not None
    return (
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_token(request.key)}\r\n"
        "\r\n"
    ).encode()


def refusal(error: RefusedError) -> bytes:
    """Encode the whole answer to what is not let in, after which the connection is closed."""
    status = error.reason.status
    assert status is not None
    extra = _REQUIRED_HEADERS.get(status, "")
    if error.allow is not None:
        extra = f"Allow: {error.allow}\r\n"
    if error.retry_after_s is not None:
        extra += f"Retry-After: {error.retry_after_s}\r\n"
    body = f"{error.detail}\n".encode("utf-8", "backslashreplace")
    return _response(status, "text/plain; charset=utf-8", body, extra)


def json_response(status: int, body: bytes) -> bytes:
    """Encode the whole answer to a configuration request, after which the connection is closed."""
    return _response(status, "application/json", body)


def _response(status: int, content_type: str, body: bytes, extra: str = "") -> bytes:
    # An Upgrade header counts only when Connection names it (RFC 9110 §7.8).
    connection = "close, Upgrade" if "Upgrade:" in extra else "close"
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"Connection: {connection}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{extra}\r\n"
    )
    return head.encode() + body
