"""The server of the admin interface: its port, its signals, and connections that say nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from keepline.admin import server as admin_server
from keepline.admin.server import CONNECTIONS, AdminServer
from keepline.errors import StartError
from tests.waiting import ANSWER_S, PATIENCE_S, eventually, within

SOON_S = 0.1


class Answers:
    """An application that says who asks for what, in as many bytes as wished, when told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.under_way = 0
        self.size_bytes = 2

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.under_way += 1
        try:
            await self.go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send(
                {"type": "http.response.body", "body": b"x" * self.size_bytes, "more_body": True}
            )
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.under_way -= 1


Start = Callable[..., "asyncio.Future[AdminServer]"]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest_asyncio.fixture
async def start(answers: Answers) -> AsyncIterator[Callable[..., object]]:
    started: list[AdminServer] = []

    async def start(**bounds: float) -> AdminServer:
        server = AdminServer("127.0.0.1", 0, answers, **bounds)
        started.append(server)
        await server.start()
        return server

    yield start
    answers.go.set()
    for server in started:
        await server.stop()


async def get(server: AdminServer, path: str = "/healthz") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_S) as client:
        return await client.get(f"http://127.0.0.1:{server.port}{path}")


async def dialled(server: AdminServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def is_hung_up(reader: asyncio.StreamReader) -> bool:
    try:
        async with within(PATIENCE_S):
            return await reader.read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\n", REQUEST[:-2]])
async def test_a_request_that_is_not_whole_in_time_is_hung_up_on(start: Start, said: bytes) -> None:
    server = await start(request_timeout_s=SOON_S)
    reader, writer = await dialled(server)
    writer.write(said)
    assert await is_hung_up(reader)
    writer.close()


async def test_a_request_that_comes_in_drips_gets_no_more_time_for_each(start: Start) -> None:
    server = await start(request_timeout_s=SOON_S)
    reader, writer = await dialled(server)
    begun = asyncio.get_running_loop().time()
    end = asyncio.create_task(is_hung_up(reader))
    while not end.done() and asyncio.get_running_loop().time() < begun + 20 * SOON_S:
        writer.write(b"G")
        await asyncio.wait({end}, timeout=SOON_S / 5)
    assert end.done()
    writer.close()


async def test_between_two_requests_the_same_bound_holds(start: Start) -> None:
    server = await start(request_timeout_s=SOON_S)
    reader, writer = await dialled(server)
    writer.write(REQUEST)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.write(REQUEST[:10])  # which is life, and no request
    async with within(PATIENCE_S):
        await reader.read()
    writer.close()


async def test_a_slow_answer_has_the_time_of_an_answer(start: Start, answers: Answers) -> None:
    server = await start(request_timeout_s=SOON_S, answer_timeout_s=30)
    answers.go.clear()
    reader, writer = await dialled(server)
    writer.write(REQUEST)
    asyncio.get_running_loop().call_later(3 * SOON_S, answers.go.set)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_an_answer_that_nobody_takes_is_given_up(start: Start, answers: Answers) -> None:
    server = await start(answer_timeout_s=SOON_S)
    answers.size_bytes = 32 * 1024 * 1024
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(sock, REQUEST)
        await eventually(lambda: answers.under_way)
        await eventually(lambda: not answers.under_way)


async def test_two_requests_in_one_go_are_both_answered(start: Start) -> None:
    server = await start(request_timeout_s=SOON_S)
    reader, writer = await dialled(server)
    writer.write(REQUEST * 2)
    async with within(PATIENCE_S):
        text = await reader.read()
    assert text.count(b"HTTP/1.1 200") == 2
    writer.close()


async def test_connections_that_say_nothing_do_not_keep_a_health_check_out(start: Start) -> None:
    server = await start()
    silent = [await dialled(server) for _ in range(CONNECTIONS + 5)]
    assert (await get(server)).status_code == 200
    oldest, newest = silent[0][0], silent[-1][0]
    assert await is_hung_up(oldest)
    assert not newest.at_eof()
    for _, writer in silent:
        writer.close()


async def test_who_is_being_answered_is_not_sent_away_for_a_newcomer(
    start: Start, answers: Answers
) -> None:
    server = await start()
    answers.go.clear()
    served = [await dialled(server) for _ in range(CONNECTIONS)]
    for _, writer in served:
        writer.write(REQUEST)
    await eventually(lambda: answers.under_way == CONNECTIONS)
    assert (await get(server)).status_code == 503
    answers.go.set()
    for reader, writer in served:
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_request_whose_head_does_not_end_is_refused(start: Start) -> None:
    reader, writer = await dialled(await start())
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000)
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 4")


async def test_what_is_no_http_writes_nothing_to_the_log(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await dialled(await start())
    writer.write(b"\x16\x03\x01 no HTTP\r\n\r\n")
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert caplog.records == []


async def test_starting_and_stopping_leaves_the_signals_alone(start: Start) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    server = await start()
    during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    await server.stop()
    assert before == during == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


async def test_stopping_closes_the_port_and_leaves_no_task(start: Start) -> None:
    server = await start()
    await get(server)
    await server.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(httpx.ConnectError):
        await get(server)


async def test_stopping_is_idempotent_and_needs_no_start(answers: Answers) -> None:
    server = AdminServer("127.0.0.1", 0, answers)
    await server.stop()
    await server.start()
    assert (await get(server)).status_code == 200
    await server.stop()
    await server.stop()
    with pytest.raises(httpx.ConnectError):
        await get(server)


async def test_a_taken_port_says_which_port_and_which_option_to_use(answers: Answers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as failure:
            await AdminServer("127.0.0.1", port, answers).start()
    assert str(port) in failure.value.problem
    assert "--admin-port" in failure.value.hint


def test_the_bounds_are_those_that_the_documents_give() -> None:
    assert admin_server.REQUEST_TIMEOUT_S == 5
    assert admin_server.ANSWER_TIMEOUT_S == 30
