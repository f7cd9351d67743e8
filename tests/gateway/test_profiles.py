"""Each device is waited for as its own profile says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from tests.gateway.peers import HELLO, request, tcp, text
from tests.waiting import eventually, within

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = {
    "xiaozhi": {"hello_timeout_s": 0.6, "close_timeout_s": 0.3},
    "browser": {"close_timeout_s": 0.9},
    "slow": {"match": "slow-*", "hello_timeout_s": 1.2},
    "quick": {"match": "quick-*", "hello_timeout_s": 0.2},
}


@pytest.mark.parametrize(
    ("device_id", "least_s", "most_s"),
    [("02:00:00:00:00:01", 0.55, 1.0), ("slow-1", 1.1, 1.6), ("quick-1", 0.0, 0.5)],
)
async def test_the_hello_is_awaited_from_accept_for_as_long_as_the_profile_says(
    start_gateway: Callable[..., Any], device_id: str, least_s: float, most_s: float
) -> None:
    gateway = await start_gateway(profiles=TABLES)
    loop = asyncio.get_running_loop()
    began = loop.time()  # it is accepted then at the earliest
    async with tcp(gateway.port) as peer, within(most_s):
        await asyncio.sleep(0.1)
        await peer.send(request(Device_Id=device_id))
        assert (await peer.answer())[0] == 101
        assert await peer.close_code() == 1008
        assert least_s <= loop.time() - began
    await eventually(lambda: gateway.counters.disconnects[CloseReason.HELLO_TIMEOUT] == 1)


async def test_who_is_late_already_when_it_is_known_is_closed_at_once(
    start_gateway: Callable[..., Any],
) -> None:
    gateway = await start_gateway(profiles=TABLES | {"xiaozhi": {"hello_timeout_s": 10.0}})
    async with tcp(gateway.port) as peer:
        await asyncio.sleep(0.3)
        await peer.send(request(Device_Id="quick-1"))
        assert (await peer.answer())[0] == 101
        async with within(0.25):
            assert await peer.close_code() == 1008


@pytest.mark.parametrize(
    ("query", "least_s", "most_s"), [("", 0.25, 0.7), ("?device-id=web&client-id=w", 0.85, 1.3)]
)
async def test_tcp_is_kept_after_our_close_for_as_long_as_the_profile_says(
    start_gateway: Callable[..., Any], query: str, least_s: float, most_s: float
) -> None:
    gateway = await start_gateway(profiles=TABLES)
    loop = asyncio.get_running_loop()
    async with tcp(gateway.port) as peer:
        await peer.send(request(f"/xiaozhi/v1/{query}"))
        assert (await peer.answer())[0] == 101
        await peer.send(text(HELLO))
        assert (await peer.frame())[0] == Opcode.TEXT
        (session,) = gateway.node.registry
        closed = loop.time()
        session.close()
        assert await peer.close_code() == 1000
        await peer.end(within_s=most_s)  # the peer answers nothing, as stock firmware does
        assert least_s <= loop.time() - closed
