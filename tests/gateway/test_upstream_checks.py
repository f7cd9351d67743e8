"""Checks of upstreams against servers that are well, sick, silent and hostile."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from keepline.relay.upstreams.checks import LINE_BYTES, check
from keepline.relay.upstreams.upstream import Upstream
from keepline.settings.upstream import Upstreams
from tests.gateway.upstream import voice_server


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer each request so; None hangs on, and nothing hangs up."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1], heard


def upstream_at(port: int, scheme: str = "ws", host: str = "127.0.0.1") -> Upstream:
    url = f"{scheme}://{host}:{port}/xiaozhi/v1/?key=s3cret"
    return Upstream(0, url, Upstreams(), lambda _: None)


async def test_a_connection_suffices_without_a_path() -> None:
    async with server(None) as (port, _):
        assert await check(upstream_at(port), "", 2.0) == ""


async def test_with_a_path_it_is_asked_for_it_and_told_no_secret() -> None:
    async with server(b"HTTP/1.1 204 No Content\r\n\r\n") as (port, heard):
        assert await check(upstream_at(port), "/health?deep=1", 2.0) == ""
    assert heard[0].startswith(b"GET /health?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"s3cret" not in heard[0]


async def test_the_authority_of_the_relay_is_that_of_the_checks() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = ssl.create_default_context()
    async with voice_server(options={"ssl": context}, host="localhost") as voice:
        upstream = Upstream(0, voice.url, Upstreams(), lambda _: None)
        assert await check(upstream, "", 2.0, trusted) != ""
        authority.configure_trust(trusted)
        assert await check(upstream, "", 2.0, trusted) == ""


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200\r\n", ""),
        (b"HTTP/1.1 299 Well\r\n", ""),
        (b"HTTP/1.1 199 Odd\r\n\r\n", "status 199"),
        (b"HTTP/1.1 302 Found\r\nLocation: /well\r\n\r\n", "status 302"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "status 503"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP answer"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK", "closed without an answer"),
        (b"x" * (4 * LINE_BYTES), "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 3_000_000, ""),
    ],
)
async def test_an_answer_says_how_it_is(answer: bytes, why: str) -> None:
    async with server(answer) as (port, _):
        assert await check(upstream_at(port), "/health", 2.0) == why


async def test_no_answer_in_time_is_no_answer() -> None:
    async with server(None) as (port, _):
        assert await check(upstream_at(port), "/health", 0.05) == "no answer in time"


async def test_nobody_listening_is_told_as_that() -> None:
    async with server(None) as (port, _):
        pass
    assert await check(upstream_at(port), "", 2.0) == "connection refused"


async def test_tls_that_is_none_is_told_as_that() -> None:
    async with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
        assert (await check(upstream_at(port, "wss"), "", 2.0)) != ""


async def test_a_name_that_cannot_be_one_is_a_failed_check_and_no_more() -> None:
    assert await check(upstream_at(1, host=f"{'a' * 70}.invalid"), "", 2.0) != ""
