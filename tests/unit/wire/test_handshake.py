"""Reading one request whole however it is cut, and what we answer."""

from __future__ import annotations

import pytest

from keepline.errors import RefusedError
from keepline.reasons import CloseReason
from keepline.wire.handshake import (
    Request,
    RequestReader,
    accept_token,
    json_response,
    refusal,
    upgrade_response,
)
from keepline.wire.limits import Limits

UPGRADE = (
    b"GET /xiaozhi/v1/?from=test HTTP/1.1\r\n"
    b"Host: gateway\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Authorization: Bearer test\r\n"
    b"\r\n"
)
CONFIGURATION = (
    b'POST /xiaozhi/ota/ HTTP/1.1\r\nHost: gateway\r\nContent-Length: 11\r\n\r\n{"a": true}'
)


def read(*pieces: bytes) -> tuple[Request, bytes]:
    reader = RequestReader(Limits())
    *early, last = [reader.receive(piece) for piece in pieces]
    assert early == [None] * len(early)
    assert last is not None
    return last, reader.rest


def test_an_upgrade_is_read_whole() -> None:
    request, rest = read(UPGRADE)
    assert request.method == "GET"
    assert request.path == "/xiaozhi/v1/"
    assert request.query == {"from": "test"}
    assert request.headers["authorization"] == "Bearer test"
    assert request.key == "dGhlIHNhbXBsZSBub25jZQ=="
    assert request.body == b""
    assert rest == b""


@pytest.mark.parametrize("data", [UPGRADE, CONFIGURATION])
def test_every_single_cut_gives_the_same_request(data: bytes) -> None:
    whole, _ = read(data)
    for at in range(len(data)):
        assert read(data[:at], data[at:]) == (whole, b"")
    assert read(*(data[i : i + 1] for i in range(len(data)))) == (whole, b"")


def test_frames_right_behind_the_head_are_the_rest() -> None:
    frames = bytes(range(256)) * 100
    whole, rest = read(UPGRADE + frames)
    assert rest == frames
    for at in (len(UPGRADE) - 1, len(UPGRADE) - 20):
        again, rest = read(UPGRADE[:at], UPGRADE[at:] + frames)
        assert rest == frames
        assert again == whole


def test_tls_is_told_apart_from_other_nonsense() -> None:
    with pytest.raises(RefusedError, match="TLS was sent"):
        RequestReader(Limits()).receive(b"\x16\x03\x01\x02\x00")
    with pytest.raises(RefusedError, match="not HTTP"):
        RequestReader(Limits()).receive(b"\x17\x03\x01\x02\x00\r\n\r\n")


def test_a_body_is_read_whole() -> None:
    request, rest = read(CONFIGURATION)
    assert (request.method, request.body) == ("POST", b'{"a": true}')
    assert not request.is_upgrade
    assert rest == b""


@pytest.mark.parametrize("request_bytes", [CONFIGURATION, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
@pytest.mark.parametrize("second", [b"DELETE / HTTP/1.0\r\nA: b\r\n\r\n", b"junk\0", b"P", UPGRADE])
def test_a_second_request_changes_nothing_about_the_first(
    request_bytes: bytes, second: bytes
) -> None:
    assert read(request_bytes + second)[0] == read(request_bytes)[0]


def test_the_answer_to_the_example_of_the_standard() -> None:
    assert accept_token("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    request, _ = read(UPGRADE)
    assert upgrade_response(request) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"  # the firmware looks for this text
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"\r\n"
    )


def test_a_refusal_says_why_and_closes() -> None:
    assert refusal(RefusedError("no room", CloseReason.FULL, retry_after_s=7)) == (
        b"HTTP/1.1 503 Service Unavailable\r\n"
        b"Connection: close\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 8\r\n"
        b"Retry-After: 7\r\n"
        b"\r\n"
        b"no room\n"
    )


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (CloseReason.UNAUTHORIZED, b"WWW-Authenticate: Bearer"),
        (CloseReason.METHOD_NOT_ALLOWED, b"Allow: GET, POST"),
        (CloseReason.UPGRADE_REQUIRED, b"Sec-WebSocket-Version: 13"),
        (CloseReason.UPGRADE_REQUIRED, b"Upgrade: websocket"),
        (CloseReason.UPGRADE_REQUIRED, b"Connection: close, Upgrade"),
    ],
)
def test_a_status_says_what_http_demands_of_it(reason: CloseReason, line: bytes) -> None:
    assert b"\r\n" + line + b"\r\n" in refusal(RefusedError("x", reason))


@pytest.mark.parametrize("reason", [reason for reason in CloseReason if reason.status is not None])
def test_every_refusal_is_one_whole_response(reason: CloseReason) -> None:
    data = refusal(RefusedError("détail \ud800", reason))
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {reason.status} ".encode())
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert body == "détail \\ud800\n".encode()


def test_a_configuration_is_answered_in_json() -> None:
    assert json_response(200, b"{}") == (
        b"HTTP/1.1 200 OK\r\n"
        b"Connection: close\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: 2\r\n"
        b"\r\n"
        b"{}"
    )
