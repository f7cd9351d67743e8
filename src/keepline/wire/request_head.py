"""The head of one HTTP request as httptools reports it, and what may be let in with it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import httptools

from keepline.errors import RefusedError
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.wire.limits import Limits

# Which of two values would count is a guess that an attacker makes better than we do.
_ONLY_ONCE = frozenset(
    {
        "authorization",
        "client-id",
        "content-length",
        "device-id",
        "host",
        "origin",
        "protocol-version",
        "sec-websocket-key",
        "sec-websocket-version",
        "transfer-encoding",
    }
)
_LISTS = frozenset({"connection", "upgrade"})
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")  # 16 bytes in base64


class RequestHead:
    """Gathers the head of the first request; what follows it on the connection is not read."""

    def __init__(self) -> None:
        self.target = b""
        self.lines: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.is_whole = False
        self.is_over = False  # the request, with its body

    # httptools calls these.

    def on_message_begin(self) -> None:
        if self.is_over:
            # Stops the parser, which else would report the method of a request that follows.
            raise RefusedError("a second request")

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name, value))

    def on_headers_complete(self) -> None:
        self.is_whole = True

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.is_over = True


def read_headers(lines: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the lines of a head by their names in small letters; raises RefusedError."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name = _name(raw_name)
        value = raw_value.decode("latin-1").strip(" \t")
        if name in headers:
            if name in _ONLY_ONCE:
                raise RefusedError(f"header {name} is repeated")
            if name in _LISTS:
                value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def split_target(target: bytes, limits: Limits) -> tuple[str, dict[str, str]]:
    """Return path (as sent) and query (decoded) of a request target; RefusedError for others."""
    path, query_text = _parts(target)
    if not query_text:
        return path, {}
    try:
        query = parse_qsl(
            query_text, keep_blank_values=True, errors="strict", max_num_fields=limits.head_lines
        )
    except ValueError:
        raise RefusedError("request target is malformed") from None
    fields = dict(query)
    if len(fields) != len(query):
        raise RefusedError("query field is repeated")
    return path, fields


def check_head(method: str, version: str, headers: dict[str, str]) -> None:
    """Apply the rules for every request; raises RefusedError."""
    if version != "1.1":
        raise RefusedError("only HTTP/1.1 is spoken here")
    if method not in ("GET", "POST"):
        raise RefusedError("only GET and POST are served", CloseReason.METHOD_NOT_ALLOWED)
    if "host" not in headers:
        raise RefusedError("header host is missing")
    if "transfer-encoding" in headers:
        raise RefusedError("transfer-encoding is not accepted, send content-length")


def websocket_key(method: str, headers: dict[str, str]) -> str | None:
    """Return the key of an upgrade to WebSocket, None if none is asked for (RFC 6455 §4.2.1).

    Raises RefusedError for an upgrade that is not in order.
    """
    asked = _has_token(headers, "upgrade", "websocket")
    if not asked and "sec-websocket-key" not in headers:
        return None
    if not asked or not _has_token(headers, "connection", "upgrade"):
        raise RefusedError("headers upgrade and connection do not ask for a websocket")
    if method != "GET":
        raise RefusedError("an upgrade is a GET", CloseReason.METHOD_NOT_ALLOWED)
    if "content-length" in headers:
        raise RefusedError("an upgrade has no body")
    if headers.get("sec-websocket-version") != "13":
        raise RefusedError("websocket version 13 is needed", CloseReason.UPGRADE_REQUIRED)
    key = headers.get("sec-websocket-key", "")
    if _KEY.fullmatch(key) is None:
        raise RefusedError("sec-websocket-key is not 16 bytes in base64")
    return key


def content_length(method: str, headers: dict[str, str], limits: Limits) -> int:
    """Return the size of the body that will follow; raises RefusedError."""
    declared = headers.get("content-length")
    if declared is None:
        if method == "POST":
            raise RefusedError("header content-length is missing")
        return 0
    if not declared.isdecimal():
        raise RefusedError("content-length is not a number")
    length = int(declared)
    if length > limits.body_bytes:
        raise RefusedError("body is larger than the limit", CloseReason.BODY_TOO_LARGE)
    if length and method == "GET":
        raise RefusedError("a GET has no body")
    return length


# The words of a firmware are the same for all its devices.


@lru_cache(maxsize=64)
def _name(raw: bytes) -> str:
    return raw.decode("latin-1").lower()


@lru_cache(maxsize=64)
def _parts(target: bytes) -> tuple[str, str]:
    """Return path and query as sent."""
    try:
        url = httptools.parse_url(target)
        path, query = (url.path or b"/").decode("ascii"), (url.query or b"").decode("ascii")
    except (httptools.HttpParserError, ValueError):
        raise RefusedError("request target is malformed") from None
    if not path.startswith("/") or url.fragment is not None:
        raise RefusedError("request target is malformed")
    return path, query


def _has_token(headers: dict[str, str], name: str, token: str) -> bool:
    value = headers.get(name, "").lower()
    return value == token or any(part.strip(" \t") == token for part in value.split(","))
