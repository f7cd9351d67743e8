"""What may be let in with a request head: every rule broken alone, every limit from both sides."""

from __future__ import annotations

import gc
from collections import deque

import pytest

from keepline.errors import RefusedError
from keepline.reasons import CloseReason
from keepline.wire.handshake import Request, RequestReader
from keepline.wire.limits import Limits

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = {
    "Host": "gateway",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def head(
    headers: dict[str, str | None] | None = None,
    *more: str,
    line: str = "GET /xiaozhi/v1/ HTTP/1.1",
) -> bytes:
    """Give the upgrade with some headers replaced, or left out (None), and more lines added."""
    merged = {**UPGRADE, **(headers or {})}
    lines = [f"{name}: {value}" for name, value in merged.items() if value is not None]
    return "\r\n".join([line, *lines, *more, "", ""]).encode("latin-1")


def read(data: bytes, limits: Limits | None = None) -> Request:
    request = RequestReader(limits or Limits()).receive(data)
    assert request is not None
    return request


def refused(data: bytes, limits: Limits | None = None) -> CloseReason:
    """Read it whole, and in single bytes; both must be refused alike."""
    with pytest.raises(RefusedError) as whole:
        RequestReader(limits or Limits()).receive(data)
    reader = RequestReader(limits or Limits())
    with pytest.raises(RefusedError) as cut:
        deque(reader.receive(bytes([byte])) for byte in data)
    assert cut.value.reason is whole.value.reason
    assert cut.value.detail == whole.value.detail
    return whole.value.reason


def plain(method: str, *lines: str, body: bytes = b"") -> bytes:
    start = [f"{method} /xiaozhi/ota/ HTTP/1.1", "Host: gateway"]
    return "\r\n".join([*start, *lines, "", ""]).encode() + body


# What is accepted


@pytest.mark.parametrize(
    "connection",
    ["Upgrade", "upgrade", "UPGRADE", "keep-alive, Upgrade", "keep-alive,Upgrade", "Upgrade , x"],
)
@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "h2c, websocket"])
def test_upgrade_and_connection_are_lists_in_any_case(connection: str, upgrade: str) -> None:
    request = read(head({"Connection": connection, "Upgrade": upgrade}))
    assert request.is_upgrade
    assert request.key == KEY


def test_a_list_may_be_spread_over_lines() -> None:
    assert read(head({"Connection": "keep-alive"}, "Connection: Upgrade")).is_upgrade


def test_header_names_are_lower_case_and_the_last_value_counts() -> None:
    request = read(head(None, "Device-Id: 02:00:00:00:00:01", "X-Note: a", "x-note:  b \t"))
    assert request.headers["device-id"] == "02:00:00:00:00:01"
    assert request.headers["x-note"] == "b"


def test_the_query_is_decoded_and_the_path_is_not() -> None:
    request = read(head(line="GET /a%20b/?device-id=02%3A00&client-id=&x=%E8%AF%AD HTTP/1.1"))
    assert request.path == "/a%20b/"
    assert request.query == {"device-id": "02:00", "client-id": "", "x": "语"}


def test_an_absolute_target_is_a_path_too() -> None:
    request = read(head(line="GET ws://gateway:8000/v1/?a=b HTTP/1.1"))
    assert (request.path, request.query) == ("/v1/", {"a": "b"})
    assert read(head(line="GET http://gateway HTTP/1.1")).path == "/"


def test_a_get_without_an_upgrade_is_a_plain_request() -> None:
    request = read(plain("GET"))
    assert not request.is_upgrade
    assert request.key is None
    assert request.method == "GET"


def test_an_upgrade_to_something_else_is_ignored() -> None:
    request = read(plain("GET", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"))
    assert not request.is_upgrade


# What is refused


@pytest.mark.parametrize("version", ["1.0", "0.9", "2.0", "1.2", "9.9"])
def test_only_http_1_1_is_spoken(version: str) -> None:
    assert refused(head(line=f"GET / HTTP/{version}")) is CloseReason.BAD_REQUEST


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH"])
def test_other_methods_are_not_allowed(method: str) -> None:
    target = "gateway:8000" if method == "CONNECT" else "/"
    refusal = refused(f"{method} {target} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
    assert refusal is CloseReason.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "junk",
    [
        b"hello\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\x1bb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_bad_request(junk: bytes) -> None:
    assert refused(junk) is CloseReason.BAD_REQUEST


@pytest.mark.parametrize(
    "target", ["*", "/a#b", "/?x=%ff", "/?a=1&a=2", "/?device-id=a&device-id="]
)
def test_a_target_that_can_be_read_in_two_ways_is_refused(target: str) -> None:
    assert refused(head(line=f"GET {target} HTTP/1.1")) is CloseReason.BAD_REQUEST


@pytest.mark.parametrize("upgrade", [True, False])
def test_a_host_is_needed(*, upgrade: bool) -> None:
    data = head({"Host": None}) if upgrade else b"GET / HTTP/1.1\r\n\r\n"
    assert refused(data) is CloseReason.BAD_REQUEST


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Client-Id",
        "Device-Id",
        "Host",
        "Origin",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
    ],
)
def test_a_header_that_decides_may_stand_once(name: str) -> None:
    value = UPGRADE.get(name, "13" if "version" in name else "x")
    twice = [f"{name}: {value}"] * (1 if name in UPGRADE or "version" in name else 2)
    assert refused(head(None, *twice)) is CloseReason.BAD_REQUEST


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub24=",
        "dGhlIHNhbXBsZSBub25jZWU=",
        "dGhlIHNhbXBsZSBub25jZQ!!",
        "é" * 24,
        "x" * 1_000,
    ],
)
def test_the_key_is_16_bytes_in_base64(key: str | None) -> None:
    assert refused(head({"Sec-WebSocket-Key": key})) is CloseReason.BAD_REQUEST


@pytest.mark.parametrize("version", [None, "", "8", "12", "14", "13, 8", "013"])
def test_version_13_is_needed(version: str | None) -> None:
    refusal = refused(head({"Sec-WebSocket-Version": version}))
    assert refusal is CloseReason.UPGRADE_REQUIRED


@pytest.mark.parametrize(
    "headers",
    [
        {"Connection": "keep-alive"},
        {"Connection": None},
        {"Connection": "upgraded"},
        {"Upgrade": None},
        {"Upgrade": "websockets"},
        {"Upgrade": None, "Connection": None},
    ],
)
def test_half_an_upgrade_is_refused_rather_than_guessed(headers: dict[str, str | None]) -> None:
    assert refused(head(headers)) is CloseReason.BAD_REQUEST


def test_an_upgrade_is_a_get() -> None:
    refusal = refused(head(None, "Content-Length: 0", line="POST / HTTP/1.1"))
    assert refusal is CloseReason.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "line", ["Content-Length: 5", "Content-Length: 0", "Transfer-Encoding: chunked"]
)
def test_an_upgrade_with_a_body_is_refused(line: str) -> None:
    assert refused(head(None, line) + b"hello") is CloseReason.BAD_REQUEST


def test_a_body_behind_an_upgrade_to_something_else_is_refused_too() -> None:
    lines = ["Upgrade: h2c", "Connection: Upgrade", "Content-Length: 1"]
    assert refused(plain("POST", *lines, body=b"x")) is CloseReason.BAD_REQUEST


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"],
        ["Content-Length: +1"],
        ["Content-Length: 1_0"],
        ["Content-Length: 0x1"],
        ["Content-Length: 1, 1"],
        ["Content-Length:"],
        ["Content-Length: 1", "Content-Length: 1"],
        ["Content-Length: 99999999999999999999999999"],
        ["Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: chunked", "Content-Length: 1"],
        [],
    ],
)
def test_a_post_tells_its_length_in_one_plain_number(lines: list[str]) -> None:
    assert refused(plain("POST", *lines, body=b"0")) is CloseReason.BAD_REQUEST


def test_a_get_has_no_body() -> None:
    assert refused(plain("GET", "Content-Length: 1", body=b"x")) is CloseReason.BAD_REQUEST
    assert read(plain("GET", "Content-Length: 0")).content_length == 0


# Limits


def test_a_head_may_have_as_many_bytes_as_the_limit() -> None:
    size = len(head(None, "X-Pad: "))
    for room in (-1, 0):
        data = head(None, "X-Pad: " + "x" * (8192 - size + room))
        assert len(data) == 8192 + room
        assert read(data).is_upgrade
    assert refused(head(None, "X-Pad: " + "x" * (8193 - size))) is CloseReason.HEAD_TOO_LARGE


def test_an_endless_line_ends_at_the_limit() -> None:
    reader = RequestReader(Limits(head_bytes=1_000))
    assert reader.receive(b"GET /" + b"a" * 994) is None
    with pytest.raises(RefusedError) as refusal:
        reader.receive(b"a")
    assert refusal.value.reason is CloseReason.HEAD_TOO_LARGE


def test_a_head_may_have_as_many_lines_as_the_limit() -> None:
    for extra in (58, 59):
        assert read(head(None, *["X: y"] * extra)).is_upgrade
    assert refused(head(None, *["X: y"] * 60)) is CloseReason.HEAD_TOO_LARGE


def test_lines_are_counted_before_the_head_ends() -> None:
    reader = RequestReader(Limits(head_lines=3))
    with pytest.raises(RefusedError) as refusal:
        reader.receive(b"GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA")
    assert refusal.value.reason is CloseReason.HEAD_TOO_LARGE


def test_a_query_may_have_as_many_fields_as_the_head_has_lines() -> None:
    for count, fits in ((63, True), (64, True), (65, False)):
        line = f"GET /?{'&'.join(f'f{i}=' for i in range(count))} HTTP/1.1"
        if fits:
            assert len(read(head(line=line)).query) == count
        else:
            assert refused(head(line=line)) is CloseReason.BAD_REQUEST


def test_a_body_may_have_as_many_bytes_as_the_limit() -> None:
    limits = Limits(body_bytes=100)
    for size in (0, 1, 99, 100):
        request = read(plain("POST", f"Content-Length: {size}", body=b"x" * size), limits)
        assert request.body == b"x" * size
        assert request.content_length == size
    # Refused on the head alone, before any of the body is there.
    assert refused(plain("POST", "Content-Length: 101"), limits) is CloseReason.BODY_TOO_LARGE


def test_a_refusal_leaves_no_cycle_behind() -> None:
    broken = [head(None, "Host: again"), b"junk", head({"Host": None}), head(line="GET * HTTP/1.1")]
    gc.collect()
    gc.disable()
    try:
        for data in broken:
            with pytest.raises(RefusedError):
                RequestReader(Limits()).receive(data)
        del data
        assert not any(isinstance(item, RequestReader) for item in gc.get_objects())
    finally:
        gc.enable()


def test_a_tls_hello_is_told_what_it_met() -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with pytest.raises(RefusedError, match="TLS was sent to a port that speaks plain HTTP"):
        RequestReader(Limits()).receive(hello)
    reader = RequestReader(Limits())
    with pytest.raises(RefusedError, match="not HTTP"):  # cut small, it is not recognised
        deque(reader.receive(bytes([byte])) for byte in hello)
