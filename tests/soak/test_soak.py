"""The long ones, run with `make soak`: hours of a fleet's life pressed into minutes."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keepline.fleet.habits import Habits
from keepline.fleet.runner import run_fleet
from tests.waiting import eventually

pytestmark = pytest.mark.soak

ROOT = Path(__file__).parents[2]
FUZZ_S = 120
FLEET_S = 180
GROWTH_MIB = 8


def resident_mib() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    kib = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return int(kib) / 1024


async def live(gateway: Any, *, seconds: float, seed: int) -> Any:
    habits = Habits(pause_s=(0.1, 1.0), turn_frames=(3, 20), die=0.1, dead_s=(3.0, 8.0))
    return await run_fleet(
        gateway.url,
        devices=300,
        token=gateway.token,
        seconds=seconds,
        seed=seed,
        ramp_per_s=300,
        on_progress=lambda _: None,
        habits=habits,
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
async def test_a_fleet_that_talks_dies_and_comes_back_leaves_no_memory_behind(
    start_gateway: Any,
) -> None:
    gateway = await start_gateway(
        heartbeat={"interval_s": 1.5}, log={"level": "error"}, session={"idle_after_s": 1.0}
    )
    await live(gateway, seconds=20, seed=1)  # every cache and pool is warm after this
    gc.collect()
    before_mib = resident_mib()
    report = await live(gateway, seconds=FLEET_S, seed=2)
    counts = report.counts
    assert counts.hellos > 5_000
    assert counts.foreign_frames == counts.violations == counts.timeouts == 0
    assert counts.turns_unanswered == 0
    node = gateway.node
    await eventually(lambda: not node.registry and not node.cleanups, within_s=30)
    assert node.counters.handler_failures == node.counters.cleanup_failures == 0
    gateway.log_lines.seek(0)
    gateway.log_lines.truncate()  # the test keeps them; a gateway does not
    gc.collect()
    assert resident_mib() - before_mib < GROWTH_MIB


@pytest.mark.parametrize("target", ["fuzz_frames", "fuzz_handshake", "fuzz_messages"])
def test_two_minutes_of_broken_bytes_find_nothing(target: str) -> None:
    ended = subprocess.run(
        [sys.executable, f"fuzz/{target}.py", "--seconds", str(FUZZ_S), "--seed", "20261124"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=FUZZ_S + 60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
