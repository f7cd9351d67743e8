"""A fleet behind a relay whose upstreams are killed and restarted all the time."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from keepline.fleet.habits import Habits
from keepline.fleet.runner import run_fleet
from tests.conftest import TOKEN

if TYPE_CHECKING:
    from keepline.fleet.report import Report
    from tests.conftest import RunningGateway, StartGateway

AS_FAST_AS_IT_COMES = {"packets_ahead": 1_000_000_000}
IN_THE_MIDDLE = {"turn_s": 0.0}  # its conversations are cut, as by a server that crashes
TALKATIVE = Habits(pause_s=(0.2, 2.0), turn_frames=(3, 20), hang_up=0.0, die=0.0, numbers=True)


class Upstreams:
    """Voice servers on ports of their own: echoing gateways that know nothing of a relay."""

    def __init__(self, start_gateway: StartGateway) -> None:
        self._start = start_gateway
        self._running: list[RunningGateway] = []
        self.restarts = 0

    async def start(self, count: int) -> None:
        for _ in range(count):
            self._running.append(await self._begin(0))

    @property
    def urls(self) -> list[str]:
        return [each.url for each in self._running]

    @property
    def sessions(self) -> int:
        return sum(len(each.node.registry) for each in self._running)

    async def restart(self, index: int, *, kill: bool) -> None:
        """End one, with a word or without, and begin it anew where it was."""
        old = self._running[index]
        if kill:
            for session in old.node.registry:
                session.connection.transport.abort()
        await old.gateway.stop()
        self._running[index] = await self._begin(old.port)
        self.restarts += 1

    async def restart_always(self, every_s: float, seed: int) -> None:
        chosen = random.Random(seed)
        while True:
            await asyncio.sleep(every_s)
            await self.restart(chosen.randrange(len(self._running)), kill=chosen.random() < 0.5)

    async def _begin(self, port: int) -> RunningGateway:
        return await self._start(
            server={"port": port},
            session=AS_FAST_AS_IT_COMES,
            drain=IN_THE_MIDDLE,
            log={"level": "error"},
        )


async def live(
    gateway: RunningGateway,
    upstreams: Upstreams,
    *,
    devices: int,
    seconds: float,
    every_s: float,
    ramp_s: float = 1.0,
    habits: Habits = TALKATIVE,
) -> Report:
    """Let a fleet live while its upstreams come and go; return what became of it."""
    restarting = asyncio.create_task(upstreams.restart_always(every_s, seed=5))
    try:
        return await run_fleet(
            gateway.url,
            devices=devices,
            token=TOKEN,
            seconds=seconds,
            seed=3,
            ramp_per_s=devices / ramp_s,
            on_progress=lambda _: None,
            habits=habits,
        )
    finally:
        restarting.cancel()
        await asyncio.gather(restarting, return_exceptions=True)


def check(report: Report, gateway: RunningGateway, devices: int) -> None:
    """No device has lost its connection, and none has heard anything out of order."""
    counts: Any = report.counts
    assert counts.hellos == devices
    lost = counts.lost, counts.unready, counts.timeouts, counts.violations
    assert lost == (0, 0, 0, 0), lost
    assert not counts.closed
    assert counts.numbers_reordered == counts.numbers_duplicated == 0
    assert counts.foreign_frames == counts.frames_repeated == 0
    assert counts.numbers_heard > counts.numbers_lost
    causes = {line["cause"] for line in gateway.logged("device_disconnected")}
    assert causes <= {"device_closed", "device_reset"}
