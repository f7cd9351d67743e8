"""A node that has more than it can serve, on real sockets."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from keepline.gateway.governor.actions import Action
from keepline.gateway.identity import Identity
from keepline.wire.handshake import Request
from tests.conftest import RunningGateway
from tests.gateway.peers import live, ping, request, talk, tcp
from tests.waiting import eventually

FIXED = {"kitchen": {"match": "kitchen-*", "reconnect": "fixed", "reconnect_s": 10}}


class SlowJudge:
    """An authenticator far away, which lets everybody in when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[str] = []

    async def judge(self, request: Request) -> Identity:
        self.asked.append(request.headers["device-id"])
        await self.go.wait()
        return Identity(request.headers["device-id"], "client")

    async def aclose(self) -> None:
        """There is nothing to close."""


async def status_of(gateway: RunningGateway, device_id: str) -> tuple[int, str]:
    async with tcp(gateway.port) as peer:
        await peer.send(request(Device_Id=device_id))
        return await peer.answer()


async def test_a_node_that_takes_nobody_says_when_to_come_again(start_gateway: Any) -> None:
    gateway = await start_gateway()
    async with live(gateway.port, "here") as here:
        gateway.node.governor.force(0.99)
        status, head = await status_of(gateway, "device-2")
        assert status == 503
        assert "Retry-After:" in head
        gateway.node.governor.force(0.0)
        await here.send(ping(b"there"))  # who is in stays in
        assert (await here.frame())[1] == b"there"
        async with live(gateway.port, "device-2"):
            pass


async def test_only_who_was_here_is_let_in_again(start_gateway: Any) -> None:
    gateway = await start_gateway()
    async with live(gateway.port, "here") as here:
        here.fin()
        await here.end()
    await eventually(lambda: not gateway.node.registry)
    gateway.node.governor.force(0.96)
    assert (await status_of(gateway, "another"))[0] == 503
    async with live(gateway.port, "here"):
        pass


async def test_who_comes_back_at_a_fixed_pace_is_held_and_stock_firmware_is_not(
    start_gateway: Any,
) -> None:
    gateway = await start_gateway(profiles=FIXED, governor={"hold_s": 2.0})
    gateway.node.governor.force(0.94)
    async with tcp(gateway.port) as kitchen:
        await kitchen.send(request(Device_Id="kitchen-1"))
        await eventually(lambda: len(gateway.node.governor.newcomers) == 1)
        async with talk(gateway.port, "stock"):
            pass
        assert (await kitchen.answer())[0] == 101
    assert gateway.node.governor.newcomers.held == 1


async def test_a_slow_authenticator_is_asked_for_so_many_at_once_and_the_rest_is_told(
    start_gateway: Any,
) -> None:
    judge = SlowJudge()
    gateway = await start_gateway(
        governor={"judged_least": 2, "judged_most": 2, "wait_s": 0.5},
    )
    gateway.node.gate.authenticator = judge
    asking = [asyncio.ensure_future(status_of(gateway, f"device-{n}")) for n in range(5)]
    await eventually(lambda: len(gateway.node.governor.turnstile) == 3)
    assert len(judge.asked) == 2
    await eventually(lambda: gateway.node.governor.turnstile.given_up == 3, within_s=5)
    judge.go.set()
    statuses = sorted([(await each)[0] for each in asking])
    assert statuses == [101, 101, 503, 503, 503]
    await eventually(lambda: gateway.node.governor.turnstile.judging == 0)


async def test_those_who_are_held_keep_nobody_out_who_speaks(start_gateway: Any) -> None:
    gateway = await start_gateway(profiles=FIXED, server={"port": 0, "max_admissions": 4})
    gateway.node.governor.force(1.0, Action.HOLD)
    async with AsyncExitStack() as stack:
        for number in range(2):
            peer = await stack.enter_async_context(tcp(gateway.port))
            await peer.send(request(Device_Id=f"kitchen-{number}"))
        await eventually(lambda: len(gateway.node.governor.newcomers) == 2)
        assert (await status_of(gateway, "kitchen-2"))[0] == 503
        async with talk(gateway.port, "stock"):
            assert len(gateway.node.governor.newcomers) == 2


async def test_the_last_handshakes_that_there_is_room_for_are_not_for_who_is_new(
    start_gateway: Any,
) -> None:
    gateway = await start_gateway(server={"port": 0, "max_admissions": 16})
    async with talk(gateway.port, "was-here"):
        pass
    async with AsyncExitStack() as stack:
        for _ in range(13):  # who say nothing yet
            await stack.enter_async_context(tcp(gateway.port))
        await eventually(lambda: len(gateway.node.arrivals.admissions) == 13)
        assert (await status_of(gateway, "new"))[0] == 503
        assert (await status_of(gateway, "was-here"))[0] == 101


async def test_who_is_held_when_the_gateway_stops_is_told_so_at_once(start_gateway: Any) -> None:
    gateway = await start_gateway(profiles=FIXED, governor={"hold_s": 9})
    gateway.node.governor.force(1.0, Action.HOLD)
    async with tcp(gateway.port) as kitchen:
        await kitchen.send(request(Device_Id="kitchen-1"))
        await eventually(lambda: len(gateway.node.governor.newcomers) == 1)
        await gateway.gateway.stop()
        assert (await kitchen.answer())[0] == 503
    assert len(gateway.node.governor.newcomers) == 0
    [refused] = gateway.logged("device_refused")
    assert refused["cause"] == "draining"
