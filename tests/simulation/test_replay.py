"""A seed is one run: the same steps in the same order, whenever and wherever it is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from keepline.simulation.run import simulate
from keepline.simulation.world import LIFE, ROUGH
from tests.simulation import planted

RUN_S = 120


@pytest.mark.parametrize("mix", [ROUGH, LIFE], ids=["rough", "life"])
def test_two_runs_of_a_seed_are_the_same_run(mix: object) -> None:
    first, second = (simulate(4, mix, time.process_time) for _ in range(2))  # type: ignore[arg-type]
    assert (first.trace_hash, first.step, first.counts) == (
        second.trace_hash,
        second.step,
        second.counts,
    )
    assert first.trace == second.trace


def test_two_seeds_are_two_runs() -> None:
    hashes = {simulate(seed, ROUGH, time.process_time).trace_hash for seed in (1, 2)}
    assert len(hashes) == 2


def test_another_process_with_other_hashes_makes_the_same_run() -> None:
    command = [sys.executable, "-m", "keepline", "simulate", "--seed", "4", "--rough", "--json"]
    told = [
        json.loads(
            subprocess.run(
                command,
                env=os.environ | {"PYTHONHASHSEED": hash_seed},
                capture_output=True,
                text=True,
                check=True,
                timeout=RUN_S,
            ).stdout
        )
        for hash_seed in ("1", "2")
    ]
    assert told[0]["trace_hash"] == told[1]["trace_hash"]
    here = simulate(4, ROUGH, time.process_time)
    assert f"{here.trace_hash:08x}" == told[0]["trace_hash"]


def test_what_was_found_is_found_again_in_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    planted.a_probe_too_few(monkeypatch)
    first, second = (simulate(1, ROUGH, time.process_time) for _ in range(2))
    assert first.violation is not None
    assert second.violation is not None
    assert (first.step, str(first.violation)) == (second.step, str(second.violation))
    assert "VIOLATION" in first.trace[-1]
