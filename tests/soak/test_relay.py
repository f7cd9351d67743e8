"""A large fleet behind a relay whose upstreams are killed and restarted for a while."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import StartGateway
from tests.gateway.restarts import TALKATIVE, Upstreams, check, live
from tests.waiting import eventually

pytestmark = pytest.mark.soak

DEVICES = 1_000
LIVE_S = 60
RAMP_S = 10.0
PAUSE_S = (3.0, 30.0)  # so that a tenth talks, all of them are in one process, and cores are few


async def test_a_thousand_devices_stay_while_their_upstreams_come_and_go(
    start_gateway: StartGateway,
) -> None:
    upstreams = Upstreams(start_gateway)
    await upstreams.start(3)
    gateway = await start_gateway(
        upstream={"urls": upstreams.urls, "check_s": 1.0, "eject_s": 1.0, "slow_start_s": 1.0},
        relay={"reopen_within_s": 2.0},
        log={"level": "info"},
    )
    report = await live(
        gateway,
        upstreams,
        devices=DEVICES,
        seconds=LIVE_S,
        every_s=2.5,
        ramp_s=RAMP_S,
        habits=replace(TALKATIVE, pause_s=PAUSE_S, at_once=0.1),
    )
    print(f"{report.cpu_s / report.elapsed_s:.0%} of a core")  # noqa: T201 (told with a failure)
    check(report, gateway, DEVICES)
    assert upstreams.restarts >= 8
    await eventually(lambda: upstreams.sessions == 0)
    await eventually(lambda: not gateway.node.wheel.armed)
