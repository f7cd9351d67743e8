from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice

import pytest

from keepline.simulation.run import Result, simulate, within_budget
from keepline.simulation.world import LIFE, ROUGH
from tests.simulation.seeds import MIXES, failed, of_the_day

BUDGET_S = 12.0
"""CPU for new seeds in `make test`, for each of the two mixes."""

LONG_BUDGET_S = 300.0
"""CPU for new seeds in `make soak`, for each of the mixes and of the processes side by side."""

LONGEST_S = 1_200.0  # on a machine that is busy elsewhere, below the limit of a test
PROCESSES = 2
LONG_SEEDS = 10**10  # others than those of `make test`


def found(result: Result, mix: str) -> str:
    """Return what a seed has found, empty for nothing."""
    if result.violation is None:
        return ""
    flags = " --rough" if mix == "rough" else ""
    again = f"again: keepline simulate --seed {result.seed}{flags}"
    return "\n".join(
        [str(result.violation), again, f"in step {result.step}, after:", *result.trace]
    )


def check(result: Result, mix: str) -> None:
    told = found(result, mix)
    assert not told, told


def found_in_many(first: int, mix: str) -> str:
    """Run one of so many processes' share of the seeds; return what the first to find has found."""
    until_s = time.monotonic() + LONGEST_S
    seeds = islice((LONG_SEEDS + seed for seed in of_the_day(time.time())), first, None, PROCESSES)
    for result in within_budget(seeds, MIXES[mix], time.process_time, LONG_BUDGET_S):
        told = found(result, mix)
        if told or time.monotonic() >= until_s:
            return told
    return ""


@pytest.mark.parametrize(("seed", "mix"), failed())
def test_a_seed_that_has_ever_found_something_finds_nothing_now(seed: int, mix: str) -> None:
    check(simulate(seed, MIXES[mix], time.process_time), mix)


@pytest.mark.parametrize("mix", MIXES)
def test_new_seeds_of_today_find_nothing(mix: str) -> None:
    chosen = {"life": LIFE, "rough": ROUGH}[mix]
    for result in within_budget(of_the_day(time.time()), chosen, time.process_time, BUDGET_S):
        print(f"seed {result.seed} ({mix})")  # noqa: T201 (told with a failure)
        check(result, mix)


@pytest.mark.soak
@pytest.mark.parametrize("mix", MIXES)
def test_many_new_seeds_find_nothing(mix: str) -> None:
    with ProcessPoolExecutor(PROCESSES) as pool:
        told = "\n\n".join(pool.map(partial(found_in_many, mix=mix), range(PROCESSES)))
    assert not told.strip(), told
