"""The client's side of the opening handshake, against our own server side and against bad ones."""

from __future__ import annotations

import pytest

from keepline.errors import PeerError, ProtocolError, RefusedError, TooBigError
from keepline.reasons import CloseReason
from keepline.wire.client_handshake import Response, ResponseReader, upgrade_request
from keepline.wire.handshake import RequestReader, json_response, refusal, upgrade_response
from keepline.wire.limits import Limits

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OPENING = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
]


def encode(lines: list[str], body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode() + body


def read(data: bytes, step: int = 1 << 20, limits: Limits | None = None) -> Response | None:
    reader = ResponseReader(limits or Limits(), key=KEY)
    for at in range(0, len(data), step):
        response = reader.receive(data[at : at + step])
        if response is not None:
            return response
    return None


def fault(data: bytes, limits: Limits | None = None) -> type[PeerError]:
    """Read it whole, and in single bytes; both must fail alike."""
    with pytest.raises(PeerError) as whole:
        read(data, limits=limits)
    with pytest.raises(PeerError) as cut:
        read(data, 1, limits)
    assert type(cut.value) is type(whole.value)
    return type(whole.value)


def test_our_server_accepts_what_our_client_asks() -> None:
    data = upgrade_request(
        host="gateway:8000", target="/v1/?a=b", headers={"Device-Id": "02:00"}, key=KEY
    )
    request = RequestReader(Limits()).receive(data)
    assert request is not None
    assert request.is_upgrade
    assert request.headers["device-id"] == "02:00"
    assert request.headers["host"] == "gateway:8000"
    response = read(upgrade_response(request))
    assert response is not None
    assert response.status == 101


def test_frames_right_behind_a_101_are_the_rest() -> None:
    reader = ResponseReader(Limits(), key=KEY)
    assert reader.receive(encode(OPENING, b"\x89\x00")) is not None
    assert reader.rest == b"\x89\x00"


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_a_refusal_is_read_with_its_body(step: int) -> None:
    data = refusal(RefusedError("no room", CloseReason.FULL, retry_after_s=7))
    response = read(data, step)
    assert response is not None
    assert (response.status, response.body) == (503, b"no room\n")
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize("step", [1, 1_000])
@pytest.mark.parametrize("second", [b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", b"junk"])
def test_a_second_response_changes_nothing_about_the_first(step: int, second: bytes) -> None:
    first = json_response(403, b"{}")
    assert read(first + second, step) == read(first)


def test_a_chunked_body_is_joined() -> None:
    data = encode(
        ["HTTP/1.1 502 X", "Transfer-Encoding: chunked"], b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
    )
    for step in (1, 1_000):
        response = read(data, step)
        assert response is not None
        assert response.body == b"abcd"


def test_a_body_that_only_the_end_of_the_connection_would_end_is_not_waited_for() -> None:
    for body in (b"", b"x", b"x" * 100_000):
        response = read(encode(["HTTP/1.1 500 X", "Connection: close"], body))
        assert response == Response(500, {"connection": "close"}, b"")


def test_of_a_malformed_and_too_large_head_the_fault_does_not_depend_on_the_cuts() -> None:
    data = b"HTTP/1.1 ?" + b"x" * 100
    assert fault(data, Limits(head_bytes=50)) is ProtocolError


@pytest.mark.parametrize(
    "lines",
    [
        [*OPENING[:3], "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="],
        OPENING[:3],
        [*OPENING, OPENING[3]],
        [*OPENING[:2], OPENING[3]],
        [OPENING[0], *OPENING[2:]],
        [OPENING[0], "Upgrade: h2c", *OPENING[2:]],
        [*OPENING[:2], "Connection: close", OPENING[3]],
        [*OPENING, "Sec-WebSocket-Extensions: permessage-deflate"],
        [*OPENING, "Sec-WebSocket-Protocol: chat"],
        ["SSH-2.0-OpenSSH"],
    ],
)
def test_an_answer_that_is_not_in_order_breaks_the_protocol(lines: list[str]) -> None:
    assert fault(encode(lines)) is ProtocolError


def test_a_response_head_may_have_as_many_bytes_as_the_limit() -> None:
    size = len(encode([*OPENING, "X: "]))
    limits = Limits(head_bytes=500)
    for pad in (499 - size, 500 - size):
        assert read(encode([*OPENING, "X: " + "x" * pad]), limits=limits) is not None
    assert fault(encode([*OPENING, "X: " + "x" * (501 - size)]), limits) is TooBigError


def test_a_response_head_may_have_as_many_lines_as_the_limit() -> None:
    for lines in (2, 3, 4):
        data = encode([*OPENING, *["X: y"] * (lines - 3)])
        if lines >= 3:
            assert read(data, limits=Limits(head_lines=lines)) is not None
        assert fault(encode([*OPENING, *["X: y"] * lines]), Limits(head_lines=lines)) is TooBigError


def test_a_response_body_may_have_as_many_bytes_as_the_limit() -> None:
    limits = Limits(body_bytes=100)
    for size in (99, 100):
        response = read(json_response(500, bytes(size)), 1, limits)
        assert response is not None
        assert len(response.body) == size
    assert fault(json_response(500, bytes(101)), limits) is TooBigError


@pytest.mark.parametrize(
    ("host", "target", "headers"),
    [
        ("a\r\nX: y", "/", {}),
        ("a", "/ HTTP/1.1\r\nX: y", {}),
        ("a", "/", {"X": "y\nZ: z"}),
        ("a", "/", {"X\r\nZ": "y"}),
        ("a", "/", {"X": "\0"}),
    ],
)
def test_nothing_can_break_out_of_its_line(host: str, target: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="line break"):
        upgrade_request(host=host, target=target, headers=headers, key=KEY)
