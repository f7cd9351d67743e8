"""A simulated fleet as a process of its own: its loop, its signals, its limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keepline.app.process import runner
from keepline.app.signals import STOP_SIGNALS
from keepline.fleet.endpoint import trusted
from keepline.fleet.runner import run_fleet
from keepline.gateway.sockets import allow_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.fleet.plan import Plan
    from keepline.fleet.report import Report


def simulate(
    plan: Plan,
    on_progress: Callable[[Report], None],
    on_code: Callable[[str, str], None],
) -> Report:
    """Run simulated devices until their time is over, or SIGTERM or SIGINT; return their report.

    `on_code` is told device and code of who has to be approved. Raises StartError.
    """
    plan.check()
    plan.check_descriptors(allow_descriptors(plan.descriptors))
    with runner() as running:
        return running.run(_simulate(plan, on_progress, on_code))


async def _simulate(
    plan: Plan,
    on_progress: Callable[[Report], None],
    on_code: Callable[[str, str], None],
) -> Report:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return await run_fleet(
        plan.url,
        devices=plan.devices,
        token=plan.token,
        seconds=plan.seconds,
        seed=plan.seed,
        ramp_per_s=plan.ramp_per_s,
        on_progress=on_progress,
        habits=plan.habits,
        faults=plan.faults,
        ota=plan.ota,
        tls=trusted(plan.ca),
        may_visit=plan.may_visit,
        on_code=on_code,
        stop=stop,
    )
