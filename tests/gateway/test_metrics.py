"""What a scrape of a whole gateway shows, whoever has been there; its peers have real sockets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any, NoReturn

import httpx
import pytest

from keepline.app.gateway import Gateway
from keepline.gateway.enrolment.ledger import Ledger
from keepline.gateway.flapping.flapping import Flapping
from keepline.gateway.registry import Registry
from keepline.handlers.echo import Echo
from tests.conftest import TOKEN
from tests.gateway.peers import Peer, live, request, tcp, text
from tests.waiting import ANSWER_S

MARK = "zq7mark"
SERIES = re.compile(r"^(\w+(?:\{[^}]*\})?) ", re.MULTILINE)


@pytest.fixture
async def gateway() -> Any:
    settings: dict[str, Any] = {"monitor": {"interval_s": 30}, "admin": {"host": "127.0.0.1"}}
    started = Gateway(Echo, settings, port=0, token=TOKEN, admin_port=0, log=StringIO())
    async with started:
        yield started


async def scrape(gateway: Gateway) -> str:
    url = f"http://127.0.0.1:{gateway.admin_port}"
    async with httpx.AsyncClient(base_url=url, timeout=ANSWER_S) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    return answer.text


def words_of_strangers() -> Iterator[bytes]:
    """Requests that name what they can, each another time."""
    for number in range(20):
        mark = f"{MARK}{number}"
        yield f"GET /{mark} HTTP/1.1\r\nHost: {mark}\r\n\r\n".encode()
        yield f"{mark.upper()} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        yield request(Device_Id=mark, Client_Id=mark, Authorization=f"Bearer {mark}")
        yield request(Device_Id=mark, Origin=f"https://{mark}.example", User_Agent=mark)
        yield request(Device_Id=mark, X_Forwarded_For=f"192.0.2.{number}", Protocol_Version=mark)


async def test_nothing_that_a_peer_says_becomes_a_series(gateway: Gateway) -> None:
    async with live(gateway.port, "first"):
        pass
    before = set(SERIES.findall(await scrape(gateway)))
    for words in words_of_strangers():
        async with tcp(gateway.port) as stranger:
            await stranger.send(words)
            await stranger.answer()
    for number in range(10):
        peer = await Peer.live(gateway.port, f"{MARK}-{number}")
        await peer.send(text(f'{{"type": "{MARK}{number}", "{MARK}": "{MARK}"}}'))
        await peer.send(text(f'{{"type": "listen", "state": "{MARK}{number}"}}'))
        peer.close()
    page = await scrape(gateway)
    assert MARK not in page.lower()
    assert set(SERIES.findall(page)) == before
    assert "192.0.2" not in page


async def test_a_scrape_looks_at_no_session_and_at_nobody_that_is_kept_in_a_list(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it costs with 15,000 of them what it costs with one."""

    def walk(*_: object) -> NoReturn:
        raise AssertionError("a scrape walks through a list that grows with the fleet")

    async with live(gateway.port, "one"), live(gateway.port, "two"):
        for kept, name in ((Registry, "__iter__"), (Ledger, "__iter__"), (Flapping, "held")):
            assert hasattr(kept, name)
            monkeypatch.setattr(kept, name, walk)
        page = await scrape(gateway)
        monkeypatch.undo()
    assert "\nkeepline_sessions 2.0\n" in page
