"""Fuzz both sides of the opening handshake: `python fuzz/fuzz_handshake.py --seconds 10 --seed 1`.

Of an input, the first four bytes choose the side, the limits and where the rest is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import engine

from keepline.errors import ProtocolError, RefusedError, TooBigError
from keepline.wire.client_handshake import Response, ResponseReader, upgrade_request
from keepline.wire.handshake import (
    Request,
    RequestReader,
    accept_token,
    refusal,
    upgrade_response,
)
from keepline.wire.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Hashable

_CHOICES = 4
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_LIMITS = [
    Limits(),
    Limits(head_bytes=64, head_lines=2, body_bytes=3),
    Limits(head_bytes=300, head_lines=7, body_bytes=16),
]
_SWITCHING = 101
_STATUSES = (400, 405, 413, 426, 431)


def check(data: bytes) -> Hashable:
    """Read a request or response whole and in pieces; returns in short what came of it."""
    if len(data) < _CHOICES:
        return None
    limits = _LIMITS[data[1] % len(_LIMITS)]
    read = _request if data[0] & 1 else _response
    stream = data[_CHOICES:]
    whole = read([stream], limits)
    pieces = engine.cut(stream, seed=data[2:_CHOICES])
    in_pieces = read(pieces, limits)
    # Of two faults in one head, which is named may depend on the cuts: httptools reports a header
    # line only when the next one begins, and not at all when that one is malformed.
    both_refused = isinstance(whole[0], str) and isinstance(in_pieces[0], str)
    assert both_refused or whole == in_pieces, "the cuts make a difference"
    return read.__name__, whole[0] if isinstance(whole[0], str | None) else _shape(whole[0])


def _shape(found: Request | Response) -> Hashable:
    if isinstance(found, Request):
        return (
            found.method,
            found.is_upgrade,
            bool(found.query),
            len(found.headers),
            len(found.body),
        )
    return found.status, len(found.headers), len(found.body)


def _request(pieces: list[bytes], limits: Limits) -> tuple[Request | str | None, bytes]:
    reader = RequestReader(limits)
    for i, piece in enumerate(pieces):
        try:
            request = reader.receive(piece)
        except RefusedError as error:
            _check_refusal(error)
            return error.detail, b""
        if request is not None:
            _check_request(request, limits)
            rest = reader.rest + b"".join(pieces[i + 1 :])
            return request, rest if request.is_upgrade else b""
    assert sum(map(len, pieces)) < limits.head_bytes + limits.body_bytes
    return None, b""


def _check_refusal(error: RefusedError) -> None:
    assert error.reason.status in _STATUSES
    assert refusal(error).startswith(f"HTTP/1.1 {error.reason.status} ".encode())


def _check_request(request: Request, limits: Limits) -> None:
    assert request.path.startswith("/")
    assert request.method == "GET" or (request.method == "POST" and not request.is_upgrade)
    assert len(request.headers) <= limits.head_lines
    assert "transfer-encoding" not in request.headers
    assert len(request.body) == request.content_length <= limits.body_bytes
    assert sum(map(len, request.headers.values())) < limits.head_bytes
    if request.is_upgrade:
        assert request.content_length == 0
        assert upgrade_response(request).startswith(b"HTTP/1.1 101 ")


def _response(pieces: list[bytes], limits: Limits) -> tuple[Response | str | None, bytes]:
    reader = ResponseReader(limits, key=_KEY)
    for i, piece in enumerate(pieces):
        try:
            response = reader.receive(piece)
        except (ProtocolError, TooBigError) as error:
            return error.detail, b""
        if response is not None:
            assert len(response.body) <= limits.body_bytes
            assert len(response.headers) <= limits.head_lines
            if response.status != _SWITCHING:
                return response, b""
            assert response.headers["sec-websocket-accept"] == accept_token(_KEY)
            return response, reader.rest + b"".join(pieces[i + 1 :])
    return None, b""


_UPGRADE = upgrade_request(host="a", target="/v1/?a=b", headers={"Device-Id": "x"}, key=_KEY)
_OPENING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + accept_token(_KEY).encode() + b"\r\n\r\n"
)
_REQUESTS = [
    _UPGRADE,
    _UPGRADE + b"\x81\x82abcd\x00\x00",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /ota/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /ota/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
]
_RESPONSES = [
    _OPENING,
    _OPENING + b"\x89\x00",
    b"HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + _OPENING,
    b"HTTP/1.0 204 X\r\n\r\n",
]
TOKENS = [
    *(line + b"\r\n" for line in _UPGRADE.split(b"\r\n")),
    *(line + b"\r\n" for line in _OPENING.split(b"\r\n")),
    b"Content-Length: 0\r\n",
    b"Content-Length: 3\r\n\r\nabc",
    b"Content-Length: 18446744073709551616\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, Upgrade\r\n",
    b"Upgrade: h2c\r\n",
    b"X: " + b"y" * 60 + b"\r\n",
    b"HTTP/1.0",
    b"POST ",
    b"CONNECT ",
    b"?a=%ff&b&a=",
    b"#",
    b"\r\n\r\n",
    b"\n",
    b"\0",
]
CORPUS = [
    bytes((side, limits, 0, limits)) + data
    for side, messages in ((1, _REQUESTS), (0, _RESPONSES))
    for limits in range(len(_LIMITS))
    for data in messages
]

if __name__ == "__main__":
    engine.main(check, CORPUS, TOKENS)
