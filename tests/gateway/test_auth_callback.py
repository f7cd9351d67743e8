"""The callback is asked over real sockets, alone and by a gateway; who answers is hostile."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from keepline.gateway.auth.callback import ANSWER_BYTES, RETRY_AFTER_S, WAITING_PER_REQUEST
from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason
from tests.conftest import RunningGateway
from tests.gateway.callback_server import OK, TOKEN, Asker, Server, answer, says
from tests.gateway.peers import Peer, identity, request, talk, tcp
from tests.gateway.test_admission import refusal
from tests.waiting import eventually, within


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    theirs = Server()
    listening = await asyncio.start_server(theirs.serve, "127.0.0.1", 0)
    theirs.port = listening.sockets[0].getsockname()[1]
    yield theirs
    listening.close()
    await theirs.stop()


@pytest_asyncio.fixture
async def make(server: Server) -> AsyncIterator[Callable[..., Asker]]:
    worlds: list[Asker] = []

    def made(port: int | None = None, **settings: Any) -> Asker:
        settings.setdefault("callback_timeout_s", 5.0)
        worlds.append(Asker(server.port if port is None else port, **settings))
        return worlds[-1]

    yield made
    for world in worlds:
        await world.callback.aclose()


Make = Callable[..., Asker]


# -- what is asked and what is understood ---------------------------------------------------


async def test_post_sends_what_there_is_to_know_as_json(make: Make, server: Server) -> None:
    assert await make().judges() == Identity("device-1", "client-1")
    [(first, headers, body)] = server.requests
    assert first == "POST /auth?fleet=7 HTTP/1.1"
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept-Encoding"] == "identity"
    assert json.loads(body) == {
        "device_id": "device-1",
        "client_id": "client-1",
        "token": TOKEN,
        "address": "192.0.2.1",
    }


async def test_get_sends_the_device_s_own_headers(make: Make, server: Server) -> None:
    await make(callback_method="GET").judges()
    [(first, headers, body)] = server.requests
    assert first == "GET /auth?fleet=7 HTTP/1.1"  # the token is in no log of URLs
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Device-Id"] == "device-1"
    assert headers["Client-Id"] == "client-1"
    assert headers["X-Forwarded-For"] == "192.0.2.1"
    assert headers["Accept-Encoding"] == "identity"
    assert body == b""


async def test_a_user_in_the_url_is_basic_authentication(make: Make, server: Server) -> None:
    world = make(callback_url=f"http://us:pw@127.0.0.1:{server.port}/")
    await world.judges()
    assert server.requests[0][1]["Authorization"] == "Basic dXM6cHc="


@pytest.mark.parametrize(
    "response",
    [OK, answer("200 OK"), answer("200 OK", b"yes"), answer("299 Fine"), says(), says(a=1)],
)
async def test_any_2xx_lets_the_device_in(make: Make, server: Server, response: bytes) -> None:
    server.response = response
    assert (await make().judges()).expires_at is None


async def test_the_answer_may_say_when_it_expires(make: Make, server: Server) -> None:
    world = make()
    at = world.clock.wall() + 60
    server.response = says(expires_at=at)
    assert (await world.judges()).expires_at == at


@pytest.mark.parametrize("seconds", [0.0, -1.0, -9e9])
async def test_one_that_has_expired_already_is_unauthorized(
    make: Make, server: Server, seconds: float
) -> None:
    world = make()
    server.response = says(expires_at=world.clock.wall() + seconds)
    assert (await world.refuses()).reason.status == 401


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_refusal_is_unauthorized(make: Make, server: Server, status: str) -> None:
    server.response = answer(status, b'{"secret":"of the operator"}')
    error = await make().refuses()
    assert error.reason.status == 401
    assert "operator" not in error.detail


@pytest.mark.parametrize("token", ["a\r\nX-Admin: 1", "é", "a b", "\x00", "x" * 4_097])
async def test_a_token_that_is_no_word_is_not_asked_about(
    make: Make, server: Server, token: str
) -> None:
    for method in ("GET", "POST"):
        assert (await make(callback_method=method).refuses("device-1", token)).reason.status == 401
    assert server.requests == []


async def test_an_id_that_is_none_is_not_asked_about(make: Make, server: Server) -> None:
    assert (await make().refuses("no id")).reason.status == 403
    assert server.requests == []


async def test_connections_are_kept_for_the_next_question(make: Make, server: Server) -> None:
    world = make()
    for number in range(5):
        await world.judges(f"device-{number}")
    assert len(server.requests) == 5
    assert server.connections == 1


# -- a hostile or broken server -------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        answer("500 Oops"),
        answer("404 Not Found"),
        answer("400 Bad"),
        answer("429 Slow down"),
        answer("302 Found", Location="/elsewhere"),
        answer("307 Moved", Location="http://127.0.0.1:1/"),
        answer("304 Same"),
        b"garbage\r\n\r\n",
        b"\x00" * 200,
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        answer("200 OK", b"x" * (ANSWER_BYTES + 1)),
        answer("401 No", b"x" * (ANSWER_BYTES + 1)),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        answer("200 OK", b"{", Content_Type="application/json"),
        answer("200 OK", b"", Content_Type="application/json"),
        answer("200 OK", b"[]", Content_Type="application/json; charset=utf-8"),
        answer("200 OK", b"[" * 4_000, Content_Type="application/json"),
        answer(
            "200 OK",
            gzip.compress(b'{"expires_at":null}'),
            Content_Type="application/json",
            Content_Encoding="gzip",
        ),
        says(expires_at="soon"),
        says(expires_at=True),
        says(expires_at=[]),
        answer("200 OK", b'{"expires_at":1e999}', Content_Type="application/json"),
        answer("200 OK", b'{"expires_at":NaN}', Content_Type="application/json"),
    ],
)
async def test_what_is_no_answer_lets_nobody_in(
    make: Make, server: Server, response: bytes
) -> None:
    server.response = response
    world = make()
    await world.cannot_ask()
    assert world.counters.auth_callbacks == 1
    assert world.counters.auth_callback_failures == 1
    assert "auth_callback_failed" in world.lines.getvalue()
    assert len(server.requests) == 1  # no redirect is followed, nothing is tried again


async def test_an_answer_at_the_limit_is_read(make: Make, server: Server) -> None:
    server.response = answer("200 OK", b"x" * ANSWER_BYTES)
    await make().judges()


async def test_a_body_without_end_is_left(make: Make, server: Server) -> None:
    server.response = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000
    await make().cannot_ask()


async def test_a_server_that_says_nothing_is_given_up(make: Make, server: Server) -> None:
    server.hold = asyncio.Event()
    await make(callback_timeout_s=0.5).cannot_ask()
    await eventually(lambda: server.left == 1)


async def test_a_server_that_drips_is_given_up_in_the_same_time(make: Make, server: Server) -> None:
    server.response, server.drip_s = says(), 0.02
    async with within(1.0):
        await make(callback_timeout_s=0.1).cannot_ask()


async def test_a_server_that_is_not_there_lets_nobody_in(make: Make) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await make(port).cannot_ask()
    await make(callback_url="http://no-such-host.invalid/").cannot_ask()


async def test_the_url_is_never_logged(make: Make, server: Server) -> None:
    server.response = answer("500 Oops")
    world = make(callback_url=f"http://user:s3cret@127.0.0.1:{server.port}/p4th")
    await world.cannot_ask()
    assert "s3cret" not in world.lines.getvalue()
    assert "p4th" not in world.lines.getvalue()


async def test_a_proxy_of_the_environment_is_not_sent_any_token(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    await make().judges()
    assert len(server.requests) == 1


# -- how often it is asked ------------------------------------------------------------------


async def test_answers_are_remembered_for_their_time(make: Make, server: Server) -> None:
    world = make(callback_cache_s=30, callback_refusal_cache_s=5)
    await world.judges()
    await world.judges()
    assert len(server.requests) == 1
    world.clock.advance(30)
    server.response = answer("401 No")
    await world.refuses()
    await world.refuses()
    assert len(server.requests) == 2
    world.clock.advance(5)
    server.response = OK
    await world.judges()
    assert len(server.requests) == 3


async def test_nobody_keeps_others_out_by_questions_that_the_server_dislikes(
    make: Make, server: Server
) -> None:
    server.response = answer("422 Unprocessable Content")
    world = make(callback_failures=3)
    for number in range(4):
        assert (await world.cannot_ask(f"odd-{number}")).retry_after_s == RETRY_AFTER_S
    assert len(server.requests) == 4
    server.response = OK
    await world.judges()


async def test_no_answer_is_not_remembered(make: Make, server: Server) -> None:
    server.response = answer("500 Oops")
    world = make()
    await world.cannot_ask()
    server.response = OK
    await world.judges()


async def test_who_is_forgotten_is_asked_about_again(make: Make, server: Server) -> None:
    world = make()
    await world.judges()
    world.callback.forget("device-1")
    await world.judges()
    assert len(server.requests) == 2


async def test_after_failures_in_a_row_it_is_left_alone_and_then_asked_once(
    make: Make, server: Server
) -> None:
    server.response = answer("500 Oops")
    world = make(callback_failures=3, callback_pause_s=10)
    for number in range(3):
        await world.cannot_ask(f"device-{number}")
    error = await world.cannot_ask()
    assert error.retry_after_s == 10
    assert len(server.requests) == 3
    world.clock.advance(9.9)
    await world.cannot_ask()
    assert len(server.requests) == 3
    world.clock.advance(0.1)
    await world.cannot_ask()  # the one that may try
    assert len(server.requests) == 4
    await world.cannot_ask()
    assert len(server.requests) == 4
    world.clock.advance(10)
    server.response = OK
    await world.judges()
    await world.judges("device-2")
    assert len(server.requests) == 6
    assert "auth_callback_answers_again" in world.lines.getvalue()


async def test_who_is_remembered_gets_in_while_it_is_left_alone(make: Make, server: Server) -> None:
    world = make(callback_failures=1)
    await world.judges()
    server.response = answer("500 Oops")
    await world.cannot_ask("device-2")
    await world.judges()


async def test_only_so_many_are_asked_about_at_once(make: Make, server: Server) -> None:
    server.hold = asyncio.Event()
    world = make(callback_requests=2)
    most = 2 * (1 + WAITING_PER_REQUEST)
    asking = [asyncio.ensure_future(world.judges(f"device-{number}")) for number in range(most)]
    await eventually(lambda: len(server.requests) == 2)
    assert "too many" in (await world.cannot_ask("one-more")).detail
    server.hold.set()
    assert len(await asyncio.gather(*asking)) == most
    assert server.most_at_once == 2
    assert len(server.requests) == most


async def test_waiting_for_one_s_turn_says_nothing_against_the_server(
    make: Make, server: Server
) -> None:
    """Who has its turn has the whole time; the others' waiting is no failure."""
    server.hold = asyncio.Event()
    world = make(callback_requests=1, callback_failures=3, callback_timeout_s=0.1)
    asking = [asyncio.ensure_future(world.judges(f"device-{number}")) for number in range(8)]
    await asyncio.gather(*asking, return_exceptions=True)
    assert world.counters.auth_callback_failures == len(server.requests) <= 2
    server.hold.set()
    await world.judges("late")


async def test_a_device_that_leaves_ends_its_question(make: Make, server: Server) -> None:
    server.hold = asyncio.Event()
    world = make(callback_requests=1)
    asking = asyncio.ensure_future(world.judges())
    await eventually(lambda: server.requests)
    asking.cancel()
    await eventually(lambda: server.left == 1)
    assert asking.cancelled()
    server.hold.set()
    await world.judges("next")  # its place is free again
    assert world.counters.auth_callback_failures == 0


async def test_one_who_leaves_while_trying_lets_another_try(make: Make, server: Server) -> None:
    server.response = answer("500 Oops")
    world = make(callback_failures=1)
    await world.cannot_ask()
    world.clock.advance(10)
    server.hold = asyncio.Event()
    trying = asyncio.ensure_future(world.judges())
    await eventually(lambda: len(server.requests) == 2)
    trying.cancel()
    await eventually(lambda: server.left == 1)
    server.hold.set()
    server.response = OK
    await world.judges()


# -- behind a gateway -----------------------------------------------------------------------


def asked_by(server: Server, **settings: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.port}/"
    return {"mode": "callback", "callback_url": url, "token": None, **settings}


async def test_a_gateway_asks_and_lets_in_or_not(start_gateway: Any, server: Server) -> None:
    gateway: RunningGateway = await start_gateway(auth=asked_by(server))
    async with talk(gateway.port):
        assert len(gateway.node.registry) == 1
    assert json.loads(server.requests[0][2])["address"] == "127.0.0.1"
    server.response = answer("403 Forbidden")
    assert (await refusal(gateway.port, headers=identity("other")))[0] == 401
    server.response = answer("500 Oops")
    status, headers = await refusal(gateway.port, headers=identity("third"))
    assert status == 503
    assert headers["Retry-After"] == "10"
    assert gateway.counters.disconnects[CloseReason.AUTH_UNAVAILABLE] == 1


async def test_the_question_ends_when_the_device_leaves(start_gateway: Any, server: Server) -> None:
    server.hold = asyncio.Event()
    gateway: RunningGateway = await start_gateway(auth=asked_by(server))
    peer = await Peer.dial(gateway.port)
    await peer.send(request())
    await eventually(lambda: server.requests)
    peer.rst()
    await eventually(lambda: server.left == 1)
    await eventually(lambda: not gateway.node.arrivals.admissions)


async def test_the_question_ends_when_the_gateway_does(start_gateway: Any, server: Server) -> None:
    server.hold = asyncio.Event()
    gateway: RunningGateway = await start_gateway(auth=asked_by(server))
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        await eventually(lambda: server.requests)
        await gateway.gateway.stop()
        assert (await peer.answer())[0] == 503
        await eventually(lambda: server.left == 1)
