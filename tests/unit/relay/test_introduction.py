"""How a device is introduced to its upstream."""

from __future__ import annotations

from typing import Any

import pytest

from keepline.gateway.identity import Identity
from keepline.relay.introduction import Introduction, Place
from tests.unit.gateway.fakes import device_request

WHO = Identity("device-1", "client-1")
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


def asked(url: str = "ws://voice:8000/path", token: str | None = None, **changes: Any) -> list[str]:
    """Return the lines of the request to an upstream."""
    introduction = Introduction.of(device_request(**changes), WHO, "session-1", token)
    return introduction.upgrade(Place.of(url), KEY).decode("latin-1").split("\r\n")


@pytest.mark.parametrize(
    ("url", "place", "authority"),
    [
        ("ws://voice/", Place("voice", 80, "/", "", is_secure=False), "voice"),
        ("wss://voice", Place("voice", 443, "/", "", is_secure=True), "voice"),
        ("ws://voice:8000/a?b=c", Place("voice", 8000, "/a", "b=c", is_secure=False), "voice:8000"),
        ("wss://[::1]:80/", Place("::1", 80, "/", "", is_secure=True), "[::1]:80"),
    ],
)
def test_a_url_says_where_an_upstream_is(url: str, place: Place, authority: str) -> None:
    assert Place.of(url) == place
    assert place.authority == authority


def test_the_devices_own_headers_are_passed_on() -> None:
    headers = {"host": "gateway", "device-id": "device-1", "x-board": "c3 \xe9", "cookie": "a=b"}
    lines = asked(headers=headers)
    assert lines[0] == "GET /path HTTP/1.1"
    assert "Device-Id: device-1" in lines
    assert "X-Board: c3 \xe9" in lines
    assert "Cookie: a=b" in lines
    assert [line for line in lines if line.startswith("Host")] == ["Host: voice:8000"]


def test_what_belongs_to_the_connection_or_only_we_may_say_is_not() -> None:
    headers = {
        "host": "gateway",
        "connection": "keep-alive, Upgrade",
        "keep-alive": "5",
        "upgrade": "websocket",
        "sec-websocket-key": "the device's",
        "sec-websocket-extensions": "permessage-deflate",
        "proxy-authorization": "secret",
        "forwarded": "for=192.0.2.1",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-host": "elsewhere",
        "x-real-ip": "192.0.2.1",
        "x-keepline-device-id": "another",
    }
    text = "\n".join(asked(headers=headers, address="198.51.100.7"))
    for never in ("192.0.2.1", "another", "elsewhere", "deflate", "secret", "Keep-Alive", "the d"):
        assert never not in text
    assert text.count("Upgrade: websocket") == 1
    assert "X-Forwarded-For: 198.51.100.7" in text
    assert "X-Forwarded-Proto: http\n" in text
    assert "X-Keepline-Device-Id: device-1" in text
    assert "X-Keepline-Client-Id: client-1" in text
    assert "X-Keepline-Session-Id: session-1" in text


def test_both_queries_are_joined() -> None:
    query = {"room": "02:00", "note": "a b&c"}
    assert asked("ws://v/p?k=1", query=query)[0] == (
        "GET /p?k=1&room=02%3A00&note=a%20b%26c HTTP/1.1"
    )
    assert asked("ws://v/p", query={"a": "b"})[0] == "GET /p?a=b HTTP/1.1"


def test_a_device_cannot_say_otherwise_what_the_upstreams_own_query_says() -> None:
    query = {"tenant": "mine", "key": "", "a b": "c&d"}
    line = asked("ws://v/p?key=1&tenant=theirs", query=query)[0]
    assert line == "GET /p?key=1&tenant=theirs&a%20b=c%26d HTTP/1.1"


@pytest.mark.parametrize("name", ["authorization", "client-id", "device-id", "protocol-version"])
def test_who_a_device_is_was_judged_by_its_header_and_so_it_is_told(name: str) -> None:
    query = {name: "query", "a": "b"}
    headers = {"host": "gateway", name: "header"}
    both = query | {name.title(): "query"}
    assert asked(headers=headers, query=both)[0] == "GET /path?a=b HTTP/1.1"
    for nothing in ({"host": "gateway"}, {"host": "gateway", name: ""}):
        line = asked(headers=nothing, query=query)[0]
        assert line == f"GET /path?{name}=query&a=b HTTP/1.1"


def test_a_name_that_some_servers_take_for_another_is_not_passed_on() -> None:
    names = ("x_keepline_device_id", "x_forwarded_for", "x-forwarded_for", "transfer_encoding")
    text = "\n".join(asked(headers={"host": "gateway"} | dict.fromkeys(names, "forged")))
    assert "forged" not in text


def test_what_connection_names_ends_at_us() -> None:
    headers = {"host": "gateway", "connection": "Upgrade ,\tX-Hop", "x-hop": "1", "x-end": "2"}
    lines = asked(headers=headers)
    assert "X-End: 2" in lines
    assert not any("Hop" in line for line in lines)


def test_a_token_of_ours_replaces_the_devices_wherever_it_stands() -> None:
    headers = {"host": "gateway", "authorization": "Bearer device"}
    lines = asked(token="ours", headers=headers, query={"authorization": "device", "a": "b"})
    assert lines[0] == "GET /path?a=b HTTP/1.1"
    assert [line for line in lines if line.startswith("Authorization")] == [
        "Authorization: Bearer ours"
    ]


def test_tls_at_our_door_is_told() -> None:
    assert "X-Forwarded-Proto: https" in asked(secure=True)
