"""Devices that come and go without end, on real sockets."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from keepline.gateway.handler import Handler
from keepline.gateway.session import Session
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from tests.conftest import RunningGateway
from tests.gateway.peers import HELLO, live, pong, request, talk, tcp, text
from tests.waiting import PATIENCE_S, eventually, within


async def lives(gateway: RunningGateway, times: int, device_id: str = "broken") -> None:
    """Be let in and hang up that often."""
    for _ in range(times):
        async with live(gateway.port, device_id) as device:
            device.fin()
            await device.end()


def held_steps(gateway: RunningGateway) -> list[str]:
    return [held.step.value for held in gateway.node.arrivals.flapping.held()]


async def test_a_device_that_is_held_is_let_in_after_its_wait(start_gateway: Any) -> None:
    gateway = await start_gateway(
        flapping={"device_calm_s": 6.0, "device_delay": 2, "device_deny": 20, "device_ban": 40}
    )
    await lives(gateway, 3)
    await eventually(lambda: held_steps(gateway) == ["delayed"])
    began = time.monotonic()
    async with within(3.0), talk(gateway.port, "broken"):
        waited_s = time.monotonic() - began
    assert waited_s > 0.15  # one of 18 steps of 8 s, three quarters of it at the least
    async with within(PATIENCE_S) as watch, talk(gateway.port, "neighbour"):
        assert watch.look() < waited_s


async def test_a_device_that_leaves_while_it_is_held_leaves_nothing(start_gateway: Any) -> None:
    gateway = await start_gateway(flapping={"device_delay": 2, "device_deny": 4, "device_ban": 90})
    await lives(gateway, 3)
    await eventually(lambda: held_steps(gateway) == ["delayed"])
    async with tcp(gateway.port) as device:
        await device.send(request(Device_Id="broken"))
        await eventually(lambda: len(gateway.node.arrivals.flapping._waiting) == 1)
    await eventually(lambda: not gateway.node.arrivals.flapping._waiting)
    await eventually(lambda: not gateway.node.arrivals.admissions)


class Goodbye(Handler):
    """Has nothing to say."""

    def opened(self, session: Session) -> None:
        session.close()


async def test_a_device_that_comes_back_at_once_whenever_it_was_dismissed_is_held(
    start_gateway: Any,
) -> None:
    gateway = await start_gateway(
        Goodbye,
        flapping={"device_calm_s": 6.0, "device_delay": 2, "device_deny": 20, "device_ban": 40},
    )
    for _ in range(3):
        async with tcp(gateway.port) as device:
            await device.send(request() + text(HELLO))
            assert (await device.answer())[0] == 101
            opcode = None
            while opcode != Opcode.CLOSE:
                opcode, _ = await device.frame()
    await eventually(lambda: held_steps(gateway) == ["delayed"])
    assert gateway.counters.disconnects[CloseReason.HANDLER_CLOSED] == 3


async def test_a_device_is_held_once_at_a_time(start_gateway: Any) -> None:
    gateway = await start_gateway(flapping={"device_delay": 2, "device_deny": 4, "device_ban": 90})
    await lives(gateway, 3)
    await eventually(lambda: held_steps(gateway) == ["delayed"])
    async with tcp(gateway.port) as first, tcp(gateway.port) as second:
        await first.send(request(Device_Id="broken"))
        await eventually(lambda: len(gateway.node.arrivals.flapping._waiting) == 1)
        await second.send(request(Device_Id="broken"))
        status, head = await second.answer()
    assert status == 429
    assert "Retry-After:" in head


async def test_a_leaving_gateway_does_not_wait_for_who_is_held(start_gateway: Any) -> None:
    gateway = await start_gateway(flapping={"device_delay": 2, "device_deny": 4, "device_ban": 90})
    await lives(gateway, 3)
    await eventually(lambda: held_steps(gateway) == ["delayed"])
    async with tcp(gateway.port) as device:
        await device.send(request(Device_Id="broken"))
        await eventually(lambda: len(gateway.node.arrivals.flapping._waiting) == 1)
        async with within(3.0):
            await gateway.gateway.stop()
        assert (await device.answer())[0] == 503


async def test_a_banned_device_is_refused_before_it_is_judged(start_gateway: Any) -> None:
    gateway = await start_gateway(flapping={"device_delay": 1, "device_deny": 2, "device_ban": 3})
    async with (
        live(gateway.port),
        live(gateway.port),
        live(gateway.port),
        live(gateway.port) as one,
    ):
        one.fin()
        await one.end()
    await eventually(lambda: held_steps(gateway) == ["banned"])
    async with tcp(gateway.port) as device:
        await device.send(request(Authorization="Bearer wrong"))
        status, head = await device.answer()
    assert status == 429
    assert (told := re.search(r"\r\nRetry-After: (\d+)(?:\r\n|$)", head)) is not None
    assert 290 <= int(told[1]) <= 300
    assert gateway.counters.disconnects[CloseReason.UNAUTHORIZED] == 0
    assert gateway.counters.disconnects[CloseReason.FLAPPING] == 1


async def test_a_person_who_speaks_again_and_again_never_waits(gateway: RunningGateway) -> None:
    for _ in range(8):  # in less than a second; nobody speaks so fast
        async with within(PATIENCE_S) as watch, talk(gateway.port, "spoken-to"):
            assert watch.look() < 1.0
    assert not gateway.node.arrivals.flapping


async def fights(port: int, client: str, statuses: list[int], *, answers: bool) -> None:
    """Come back as soon as it was thrown out, as fast as it can."""
    while True:
        async with tcp(port) as peer:
            await peer.send(request(Client_Id=client) + text(HELLO))
            status, _ = await peer.answer()
            statuses.append(status)
            if status == CloseReason.KICK_WAR.status:
                await asyncio.sleep(0.02)
                continue
            opcode, payload = await peer.frame()
            while opcode != Opcode.CLOSE:
                if opcode == Opcode.PING and answers:
                    await peer.send(pong(payload))
                opcode, payload = await peer.frame(within_s=60.0)
            assert int.from_bytes(payload[:2]) == CloseReason.REPLACED.code


async def test_two_that_fight_for_a_device_come_to_rest(gateway: RunningGateway) -> None:
    statuses: list[int] = []
    both = [
        asyncio.ensure_future(fights(gateway.port, client, statuses, answers=True))
        for client in ("one", "another")
    ]
    await eventually(lambda: statuses.count(409) > 1, within_s=10.0)
    assert statuses.count(101) <= 7
    [held] = gateway.node.arrivals.flapping.held()
    assert held.kind == "kick_war"
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)


async def test_a_device_whose_former_connection_is_silent_has_it_back_at_once(
    gateway: RunningGateway,
) -> None:
    statuses: list[int] = []
    both = [
        asyncio.ensure_future(fights(gateway.port, client, statuses, answers=False))
        for client in ("one", "another")
    ]
    await eventually(lambda: statuses.count(101) > 7, within_s=20.0)
    assert statuses.count(101) > 7
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)
