"""One number for how well a node is, and the parts that it is made of. Pure."""

from __future__ import annotations

from math import isfinite, nan
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.gauges import Gauge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.settings.rules import Rules


class Part(NamedTuple):
    """`points` of `weight`; `value` is full below `fine` and worth nothing from `bad` on."""

    name: str
    weight: float
    points: float
    value: float
    fine: float
    bad: float


class Score(NamedTuple):
    """0 (nothing works) to 100 (nothing is scarce); `parts` are those that could be measured."""

    total: float
    parts: tuple[Part, ...]


# What each part counts, up to where it is fine, and from where on it is worth nothing.
WEIGHTS: Final = {
    "memory": (25, 0.70, 0.95),  # of the limit
    "loop_cpu": (20, 60.0, 100.0),  # percent of a core
    "loop_lag": (15, 0.010, 0.200),  # seconds, p95
    "connections": (10, 0.80, 1.00),  # of the most that may connect
    "descriptors": (10, 0.70, 0.95),  # of the limit
    "queues": (10, 0.50, 2.00),  # of the threshold
    "handshakes": (5, 0.05, 0.50),  # of them failed
    "disconnects": (5, 0.001, 0.020),  # of the connections, each second
}


def score(latest: Mapping[Gauge, float], settings: Rules, max_connections: int) -> Score:
    """Judge the latest sample. What has no value has no part, and the others count for it."""

    def value(gauge: Gauge) -> float:
        return latest.get(gauge, nan)

    connections = value(Gauge.CONNECTIONS)
    values = {
        "memory": _share(value(Gauge.MEMORY_BYTES), value(Gauge.MEMORY_LIMIT_BYTES)),
        "loop_cpu": value(Gauge.LOOP_CPU_PERCENT),
        "loop_lag": value(Gauge.LOOP_LAG_P95_S),
        "connections": _share(connections, max_connections),
        "descriptors": _share(value(Gauge.DESCRIPTORS), value(Gauge.DESCRIPTOR_LIMIT)),
        "queues": _share(value(Gauge.QUEUE_DEPTH), settings.queue_depth),
        "handshakes": _failed(value(Gauge.HANDSHAKE_FAILURES_PER_S), value(Gauge.HANDSHAKES_PER_S)),
        "disconnects": value(Gauge.DISCONNECTS_PER_S) / max(connections, 1.0),
    }
    parts = tuple(_part(name, each) for name, each in values.items() if isfinite(each))
    weight = sum(part.weight for part in parts)
    points = sum(part.points for part in parts)
    return Score(100 * points / weight if weight else 100.0, parts)


def _part(name: str, value: float) -> Part:
    weight, fine, bad = WEIGHTS[name]
    well = min(1.0, max(0.0, (bad - value) / (bad - fine)))
    return Part(name, weight, weight * well, value, fine, bad)


def _share(value: float, of: float) -> float:
    return value / of if of else nan


def _failed(failures: float, done: float) -> float:
    """Without any handshake none has failed."""
    return failures / (failures + done) if failures + done else 0.0
