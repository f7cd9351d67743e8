"""Fleets that live until they have seen what a test asks of them: what is late is only later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest import mock

from keepline.fleet import runner
from keepline.fleet.report import Report

LONGEST_S = 60.0
LOOK_EACH_S = 0.05

Enough = Callable[[Report], object]


async def live_until(enough: Enough, **options: Any) -> Report:
    """Have a fleet live until its report is enough; return the last one."""
    stop = asyncio.Event()

    def look(report: Report) -> None:
        if enough(report):
            stop.set()

    with mock.patch.object(runner, "PROGRESS_EVERY_S", LOOK_EACH_S):
        return await runner.run_fleet(
            seconds=LONGEST_S, seed=1, stop=stop, on_progress=look, **options
        )
