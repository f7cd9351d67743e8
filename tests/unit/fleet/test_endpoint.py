from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from keepline.errors import StartError
from keepline.fleet.endpoint import WEBSOCKET, Place, look_up, read_url, trusted


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("ws://host", Place("host", 80, "/", is_secure=False)),
        ("wss://host/a?b=c", Place("host", 443, "/a?b=c", is_secure=True)),
        ("ws://[::1]:8000/x/", Place("::1", 8000, "/x/", is_secure=False)),
    ],
)
def test_a_url_says_where_to_connect_and_what_to_ask_for(url: str, place: Place) -> None:
    assert read_url(url, WEBSOCKET) == place


@pytest.mark.parametrize(
    "url",
    ["", "host:8000", "http://host/", "ws:///path", "ws://h:99999/", "ws://u:p@h/", "ws://[::1/"],
)
def test_what_is_no_url_says_what_one_looks_like(url: str) -> None:
    with pytest.raises(StartError, match="ws://HOST:PORT/PATH or wss://HOST:PORT/PATH"):
        read_url(url, WEBSOCKET)


@pytest.mark.parametrize("url", ["ws://h/a b", "ws://h/ü", "ws://h/\x7f"])
def test_a_path_that_cannot_be_sent_is_told(url: str) -> None:
    with pytest.raises(StartError, match="cannot be sent"):
        read_url(url, WEBSOCKET)


def test_what_may_be_secret_in_a_url_is_not_repeated() -> None:
    with pytest.raises(StartError) as failure:
        read_url("http://user:hidden@host/path?token=hidden", WEBSOCKET)
    assert "hidden" not in str(failure.value)


async def test_a_host_that_nobody_knows_is_told_by_its_name() -> None:
    place = Place("nobody.invalid", 80, "/", is_secure=False)
    with pytest.raises(StartError, match=r"nobody\.invalid"):
        await look_up(place, asyncio.get_running_loop(), None)


async def test_tls_is_for_urls_that_ask_for_it() -> None:
    loop, tls = asyncio.get_running_loop(), ssl.create_default_context()
    for is_secure in (True, False):
        place = Place("127.0.0.1", 1, "/", is_secure=is_secure)
        found = await look_up(place, loop, tls)
        assert found.addresses == ("127.0.0.1",)
        assert (found.tls is tls) is is_secure


def test_certificates_that_cannot_be_read_are_told_with_the_option(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pem", tmp_path):
        with pytest.raises(StartError, match="--ca"):
            trusted(path)
