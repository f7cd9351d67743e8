"""The admin interface, asked over a real socket."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from keepline.admin.api import AdminServer, Readiness, create_api
from keepline.errors import StartError


class Asked:
    """A running admin server, and what its readiness should be."""

    def __init__(self) -> None:
        self.readiness = Readiness(ready=True)
        self.scrapes = 0
        self.server = AdminServer(
            "127.0.0.1", 0, create_api(ready=lambda: self.readiness, metrics=self.metrics)
        )

    async def metrics(self) -> bytes:
        self.scrapes += 1
        return b"keepline_sessions 3.0\n"

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{self.server.port}{path}")


@pytest_asyncio.fixture
async def asked() -> AsyncIterator[Asked]:
    running = Asked()
    await running.server.start()
    yield running
    await running.server.stop()


async def test_a_living_process_answers_healthz(asked: Asked) -> None:
    answer = await asked.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_request_whose_head_does_not_end_is_refused(asked: Asked) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", asked.server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000)
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 4")


async def test_what_is_no_http_writes_nothing_to_the_log(
    asked: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", asked.server.port)
    writer.write(b"\x16\x03\x01 no HTTP\r\n\r\n")
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert caplog.records == []


async def test_a_ready_gateway_answers_readyz_with_200(asked: Asked) -> None:
    answer = await asked.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reason": ""})


async def test_a_draining_gateway_answers_readyz_with_503_and_the_reason(asked: Asked) -> None:
    asked.readiness = Readiness(ready=False, reason="draining")
    answer = await asked.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reason": "draining"})


async def test_metrics_are_read_anew_at_each_scrape(asked: Asked) -> None:
    first, second = await asked.get("/metrics"), await asked.get("/metrics")
    assert first.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert first.content == second.content == b"keepline_sessions 3.0\n"
    assert asked.scrapes == 2


async def test_the_interface_describes_itself_without_pages_from_other_hosts(asked: Asked) -> None:
    description = (await asked.get("/openapi.json")).json()
    assert set(description["paths"]) == {"/healthz", "/readyz", "/metrics"}
    assert (await asked.get("/docs")).status_code == 404


async def test_an_unknown_path_is_not_found(asked: Asked) -> None:
    assert (await asked.get("/nothing")).status_code == 404


async def test_starting_and_stopping_leaves_the_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    running = Asked()
    await running.server.start()
    during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    await running.server.stop()
    assert before == during == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


async def test_stopping_closes_the_port_and_leaves_no_task() -> None:
    running = Asked()
    await running.server.start()
    await running.get("/healthz")
    await running.server.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(httpx.ConnectError):
        await running.get("/healthz")


async def test_stopping_is_idempotent_and_needs_no_start() -> None:
    running = Asked()
    await running.server.stop()
    await running.server.start()
    await running.server.stop()
    await running.server.stop()


async def test_a_taken_port_says_which_port_and_which_option_to_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = create_api(ready=lambda: Readiness(ready=True), metrics=Asked().metrics)
        with pytest.raises(StartError) as failure:
            await AdminServer("127.0.0.1", port, api).start()
    assert str(port) in failure.value.problem
    assert "--admin-port" in failure.value.hint
