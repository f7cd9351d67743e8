"""Upstreams that are killed and restarted under a fleet; the long one is among the soak tests."""

from __future__ import annotations

from tests.conftest import StartGateway
from tests.gateway.restarts import Upstreams, check, live
from tests.waiting import eventually

DEVICES = 60


async def test_no_device_notices_how_often_its_upstreams_are_killed(
    start_gateway: StartGateway,
) -> None:
    upstreams = Upstreams(start_gateway)
    await upstreams.start(2)
    gateway = await start_gateway(
        upstream={"urls": upstreams.urls, "check_s": None, "eject_s": 0.2, "slow_start_s": 0},
        relay={"reopen_within_s": 0.2},
    )
    report = await live(gateway, upstreams, devices=DEVICES, seconds=5, every_s=0.5)
    check(report, gateway, DEVICES)
    assert upstreams.restarts >= 3
    await eventually(lambda: upstreams.sessions == 0)
    await eventually(lambda: not gateway.node.wheel.armed)
