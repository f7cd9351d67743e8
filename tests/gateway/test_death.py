"""A device dies and is noticed; one that lives is not taken for dead, whatever we do ourselves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from tests.conftest import RunningGateway
from tests.gateway.peers import Peer, live, pong, talk
from tests.waiting import eventually, within

Start = Callable[..., Any]
HEART = {"interval_s": 1, "suspicious_s": 2, "zombie_s": 3, "probe_min_s": 0.2}
QUICK = {"xiaozhi": {"close_timeout_s": 0.3}}
LATE_S = 12.0


async def test_a_device_that_falls_silent_is_suspected_closed_and_dropped(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(heartbeat=HEART, profiles=QUICK)
    loop = asyncio.get_running_loop()
    async with live(gateway.port) as peer:
        while True:  # alive: it answers its first ping
            opcode, payload = await peer.frame()
            if opcode == Opcode.PING:
                await peer.send(pong(payload))
                break
        died = loop.time()
        # I + 5.5 P with P = 0.2 s is 2.1 s, on a busy machine up to nine times that.
        async with within(LATE_S):
            assert await peer.close_code() == 1001
        assert loop.time() - died > 1.0  # not before I + 3.5 P, and the wheel's rounding
        assert gateway.counters.suspicions == 1
        assert await peer.end(within_s=1.0) == "rst"  # nothing is kept for the dead
    assert gateway.counters.verdicts == 1
    assert gateway.counters.disconnects[CloseReason.HEARTBEAT_TIMEOUT] == 1
    (line,) = gateway.logged("device_disconnected")
    assert (line["initiator"], line["cause"]) == ("us", "heartbeat_timeout")
    assert line["ping_failures"] >= 1


async def test_a_device_that_never_answered_a_ping_is_judged_by_its_age(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(heartbeat=HEART, profiles=QUICK)
    loop = asyncio.get_running_loop()
    async with live(gateway.port) as peer:
        started = loop.time()
        async with within(LATE_S):
            assert await peer.close_code() == 1001
        assert loop.time() - started > 2.8
        await peer.end(within_s=1.0)


async def test_a_device_that_answers_no_ping_but_talks_lives(start_gateway: Start) -> None:
    gateway = await start_gateway(heartbeat=HEART, profiles=QUICK)
    async with live(gateway.port) as peer:
        for _ in range(17):
            await peer.send(pong())
            await asyncio.sleep(0.2)
        assert gateway.counters.suspicions == 0
        assert len(gateway.node.registry) == 1


@asynccontextmanager
async def crowd(gateway: RunningGateway, size: int) -> AsyncIterator[list[Peer]]:
    """`size` devices on bare sockets that answer every ping from a task of each."""
    peers: list[Peer] = []
    for first in range(0, size, 50):
        batch = range(first, min(first + 50, size))
        peers += await asyncio.gather(
            *(Peer.live(gateway.port, f"device-{number}") for number in batch)
        )
    answering = [asyncio.ensure_future(answer_pings(peer)) for peer in peers]
    try:
        yield peers
    finally:
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        for peer in peers:
            peer.close()


async def answer_pings(peer: Peer) -> None:
    with contextlib.suppress(ConnectionError, TimeoutError, AssertionError):
        while True:
            opcode, payload = await peer.frame(within_s=60)
            if opcode == Opcode.PING:
                await peer.send(pong(payload))


async def test_a_loop_that_stood_still_for_five_seconds_judges_nobody(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(heartbeat=HEART | {"suspicious_s": 3, "zombie_s": 4})
    async with crowd(gateway, 300):
        await eventually(lambda: gateway.counters.pongs_received > 300, within_s=5.0)
        # From inside a callback of the loop, as a handler that blocks would.
        asyncio.get_running_loop().call_soon(time.sleep, 5.0)
        await asyncio.sleep(2.5)  # long enough for any verdict that the stall could bring
        assert gateway.counters.loop_stalls >= 1
        assert gateway.counters.loop_stalled_s > 4.5
        assert gateway.counters.verdicts == 0
        if gateway.counters.loop_stalls == 1:  # a busy machine may have brought more
            assert gateway.counters.mass_suspicions == 0
        assert len(gateway.node.registry) == 300


async def test_when_a_whole_fleet_falls_silent_at_once_few_are_reaped(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(heartbeat=HEART, profiles=QUICK)
    async with contextlib.AsyncExitStack() as silent:
        for number in range(150):
            await silent.enter_async_context(live(gateway.port, f"device-{number}"))
        await asyncio.sleep(4.2)  # all are beyond zombie_s
        await eventually(lambda: gateway.counters.mass_suspicions == 1)
        assert len(gateway.logged("mass_suspicion")) == 1
        assert len(gateway.node.registry) > 100


async def test_a_stalled_loop_is_logged_and_lengthens_the_waits(start_gateway: Start) -> None:
    gateway = await start_gateway()
    async with talk(gateway.port):
        asyncio.get_running_loop().call_soon(time.sleep, 0.6)
        await eventually(lambda: gateway.logged("loop_stalled"), within_s=2.0)
        await eventually(lambda: gateway.node.judge.stretch > 1, within_s=2.5)


@pytest.mark.parametrize("preset", ["adaptive", "seed"])
async def test_any_byte_is_life_in_both_presets(start_gateway: Start, preset: str) -> None:
    gateway = await start_gateway(heartbeat=HEART | {"preset": preset}, profiles=QUICK)
    async with live(gateway.port) as peer:
        for byte in b"\x82\xfe\x01\x00" + bytes(20):  # one frame that takes its time
            await peer.send(bytes((byte,)))
            await asyncio.sleep(0.15)
        assert gateway.counters.suspicions == 0
        assert len(gateway.node.registry) == 1
