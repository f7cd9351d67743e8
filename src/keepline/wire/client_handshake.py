"""The opening handshake in the client's role (RFC 6455 §4.1): for the relay and the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools
import msgspec

from keepline.errors import ProtocolError, TooBigError
from keepline.wire.handshake import accept_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.wire.limits import Limits

_SWITCHING = 101
_LINE_BREAKS = ("\r", "\n", "\0")


class Response(msgspec.Struct, frozen=True):
    """The server's answer: a checked 101, or a refusal and what of its body is known to come.

    `headers` has lower-case names; repeated lines are joined with commas.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class ResponseReader:
    """Reads the answer to one upgrade request."""

    __slots__ = ("_head_left", "_key", "_limits", "_malformed", "_message", "_parser", "rest")

    def __init__(self, limits: Limits, *, key: str) -> None:
        """`key` is the one that was sent."""
        self._limits = limits
        self._key = key
        self._message = _ResponseMessage(limits)
        self._head_left = limits.head_bytes
        self._malformed = False
        self._parser = httptools.HttpResponseParser(self._message)
        self.rest = b""  # frames that came right behind a 101

    def receive(self, data: bytes) -> Response | None:
        """Return the answer once it is all there, None until then; then not to be called again.

        Raises ProtocolError for an answer that is not in order, TooBigError beyond the limits.
        """
        message = self._message
        if not message.has_head:
            part, data = data[: self._head_left], data[self._head_left :]
            self._head_left -= len(part)
            self._feed(part)
        if message.has_head and not message.is_over:
            self._feed(data)
        else:
            self.rest += data
        if message.excess:
            raise TooBigError(message.excess)
        if message.is_over:
            return self._checked()
        if self._malformed:
            raise ProtocolError("response is not HTTP")
        if not message.has_head and not self._head_left:
            raise TooBigError("response head is too large")
        return None

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._malformed = True

    def _checked(self) -> Response:
        status = self._parser.get_status_code()
        headers = self._message.headers
        if status == _SWITCHING:
            _check_upgrade(headers, self._key)
        return Response(status, headers, bytes(self._message.body))


class _ResponseMessage:
    """Gathers what httptools reports of the first response."""

    def __init__(self, limits: Limits) -> None:
        self._lines_left = limits.head_lines
        self._body_left = limits.body_bytes
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.has_head = False
        self.is_over = False
        self.excess = ""  # which limit was passed, if any

    def on_message_begin(self) -> None:
        if self.is_over:
            # Stops the parser, which else would report the status of a response that follows.
            raise ProtocolError("a second response")

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        self._lines_left -= 1
        if self._lines_left < 0:
            self.excess = self.excess or "too many header lines in the response"
            return
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1").strip(" \t")
        self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def on_headers_complete(self) -> None:
        self.has_head = True
        # Where only the end of the connection would end the body, nobody waits for it.
        if not self.headers.keys() & {"content-length", "transfer-encoding"}:
            self.is_over = True

    def on_body(self, part: bytes) -> None:
        if self.is_over:
            return
        self._body_left -= len(part)
        if self._body_left < 0:
            self.excess = self.excess or "response body is larger than the limit"
        else:
            self.body += part

    def on_message_complete(self) -> None:
        self.is_over = True


def upgrade_request(*, host: str, target: str, headers: Mapping[str, str], key: str) -> bytes:
    """Encode the request; `key` is 16 unpredictable bytes in base64, `headers` come in addition.

    Raises ValueError when a part of it would break out of its line.
    """
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if any(mark in line for line in lines for mark in _LINE_BREAKS):
        raise ValueError("line break in a request line or header")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _check_upgrade(headers: dict[str, str], key: str) -> None:
    if headers.get("upgrade", "").lower() != "websocket":
        raise ProtocolError("response does not upgrade to a websocket")
    connection = headers.get("connection", "").lower().split(",")
    if "upgrade" not in (part.strip(" \t") for part in connection):
        raise ProtocolError("response does not upgrade the connection")
    if headers.get("sec-websocket-accept") != accept_token(key):
        raise ProtocolError("response does not answer our key")
    if headers.keys() & {"sec-websocket-extensions", "sec-websocket-protocol"}:
        raise ProtocolError("response agrees to something we did not offer")
