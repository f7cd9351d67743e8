"""A leak is told from load."""

from __future__ import annotations

import random

import numpy as np
import pytest

from keepline.monitor.rules.load import explained
from keepline.monitor.rules.trend import trend
from keepline.monitor.sample import Series

COST = 40_960.0
TIMES = [60.0 * number for number in range(60)]


def node(connections: list[float], leak: float = 0.0, noise: float = 50_000.0) -> Series:
    chance = random.Random(5)
    return Series(
        TIMES,
        [
            3e8 + COST * count + leak * time + chance.gauss(0, noise)
            for time, count in zip(TIMES, connections, strict=True)
        ],
    )


def wandering(seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    counts = [2_000.0]
    while len(counts) < len(TIMES):
        counts.append(1_000.0 + counts[-1] // 2 + round(chance.gauss(0, 30)))
    return counts


@pytest.mark.parametrize("leak", [0.0, 1_000.0, 50_000.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_cost_of_a_connection_is_found_beside_a_leak(leak: float, seed: int) -> None:
    connections = wandering(seed)
    found = explained(node(connections, leak), Series(TIMES, connections))
    assert found.bytes_per_connection == pytest.approx(COST, rel=0.05)
    rest = trend(*found.rest)
    assert rest is not None
    assert rest.slope == pytest.approx(leak, abs=50)


def test_the_least_squares_are_numpy_s() -> None:
    connections = wandering(7)
    memory = node(connections, leak=500.0)
    columns = np.column_stack([np.ones(60), TIMES, connections])
    expected = np.linalg.lstsq(columns, np.array(memory.values), rcond=None)[0][2]
    found = explained(memory, Series(TIMES, connections))
    assert not found.doubtful
    assert found.bytes_per_connection == pytest.approx(expected, rel=1e-6)


def test_connections_that_follow_the_clock_take_the_growth_and_leave_a_doubt() -> None:
    connections = [2_000.0 + 10 * number for number in range(60)]
    found = explained(node(connections, leak=1_000.0), Series(TIMES, connections))
    assert found.doubtful
    assert found.bytes_per_connection > COST


@pytest.mark.parametrize(
    "connections",
    [[2_000.0] * 60, [0.0] * 60, [3_000.0 - 20 * abs(30 - at) for at in range(60)]],
    ids=["as many all the time", "none", "memory does not follow"],
)
def test_what_connections_do_not_explain_is_left_as_it_is(connections: list[float]) -> None:
    memory = Series(TIMES, [3e8 - 1_000.0 * count for count in connections])
    assert explained(memory, Series(TIMES, connections)).rest == memory


def test_where_one_of_the_two_is_missing_nothing_is_explained() -> None:
    memory = node([2_000.0] * 60)
    assert explained(memory, Series([], [])).rest == memory
    assert explained(memory, Series([time + 1 for time in TIMES], wandering())).rest == memory


def test_today_s_connections_are_those_that_the_rest_is_told_for() -> None:
    connections = wandering()
    memory = node(connections)
    assert explained(memory, Series(TIMES, connections)).rest.values[-1] == memory.values[-1]
