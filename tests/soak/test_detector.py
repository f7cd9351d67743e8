"""The failure detector's mistakes, on as many device-days as it takes to say how rare they are."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import pytest

from tools.detector_measures import ADAPTIVE, mistakes
from tools.detector_traces import JITTERY, NAPS, QUIET, STALLING, Trace

DAYS_OF_A_RUN = 500.0
RUNS = 7


def idle_mistakes(number: int) -> int:
    return mistakes(JITTERY, ADAPTIVE, DAYS_OF_A_RUN, run=number).idle


@pytest.mark.soak
def test_fewer_than_one_in_a_thousand_device_days_is_given_up_while_idle() -> None:
    """None in 3,500: with 95 % confidence less than 0.86 in 1,000."""
    with ProcessPoolExecutor() as pool:
        assert sum(pool.map(idle_mistakes, range(RUNS))) == 0


@pytest.mark.soak
@pytest.mark.parametrize("trace", [QUIET, NAPS, STALLING], ids=lambda trace: trace.name)
def test_a_network_without_gaps_loses_nobody_in_a_thousand_device_days(trace: Trace) -> None:
    found = mistakes(trace, ADAPTIVE, 1_000.0)
    assert found.idle == found.in_talk == 0
