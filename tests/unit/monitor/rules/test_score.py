"""The score, and its parts."""

from __future__ import annotations

from math import nan

import pytest

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.score import WEIGHTS, Part, score
from keepline.settings.rules import Rules

WELL = {
    Gauge.MEMORY_BYTES: 100.0,
    Gauge.MEMORY_LIMIT_BYTES: 1_000.0,
    Gauge.LOOP_CPU_PERCENT: 20.0,
    Gauge.LOOP_LAG_P95_S: 0.001,
    Gauge.CONNECTIONS: 100.0,
    Gauge.DESCRIPTORS: 10.0,
    Gauge.DESCRIPTOR_LIMIT: 1_000.0,
    Gauge.QUEUE_DEPTH: 0.0,
    Gauge.HANDSHAKES_PER_S: 1.0,
    Gauge.HANDSHAKE_FAILURES_PER_S: 0.0,
    Gauge.DISCONNECTS_PER_S: 0.0,
}


def total(**changed: float) -> float:
    values = WELL | {Gauge(name): value for name, value in changed.items()}
    return score(values, Rules(), 1_000).total


def test_the_weights_are_points_of_a_hundred() -> None:
    assert sum(weight for weight, _, _ in WEIGHTS.values()) == 100


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, 100),
        ({"memory_bytes": 700}, 100),
        ({"memory_bytes": 825}, 87.5),
        ({"memory_bytes": 2_000}, 75),
        ({"loop_cpu_percent": 80}, 90),
        ({"loop_lag_p95_s": 1.0}, 85),
        ({"connections": 900}, 95),
        ({"descriptors": 950}, 90),
        ({"queue_depth": 1_000}, 90),
        ({"handshake_failures_per_s": 1.0}, 95),
        ({"handshakes_per_s": 0.0}, 100),
        ({"disconnects_per_s": 2.0}, 95),
        ({"memory_bytes": 2_000, "loop_cpu_percent": 100, "loop_lag_p95_s": 9}, 40),
    ],
)
def test_what_is_scarce_costs_points(changed: dict[str, float], expected: float) -> None:
    assert total(**changed) == pytest.approx(expected)


def test_what_cannot_be_measured_is_no_part_and_costs_nothing() -> None:
    found = score(WELL | {Gauge.LOOP_CPU_PERCENT: nan}, Rules(), 1_000)
    assert found.total == 100
    assert "loop_cpu" not in [part.name for part in found.parts]
    assert score({}, Rules(), 1_000) == (100.0, ())


def test_a_part_shows_its_weight_and_what_it_was_judged_by() -> None:
    found = score(WELL | {Gauge.MEMORY_BYTES: 825.0}, Rules(), 1_000)
    [part] = [part for part in found.parts if part.name == "memory"]
    assert part == Part("memory", 25, pytest.approx(12.5), 0.825, 0.7, 0.95)  # type: ignore[arg-type]
    assert sum(part.points for part in found.parts) == found.total
