"""Series of a node that are made up, for trying rules on: quiet days, and things that go wrong.

Every number is here. A sample every five seconds; the same seed gives the same series.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, pi, sin, sqrt
from typing import TYPE_CHECKING, Final

from keepline.monitor.gauges import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

STEP_S: Final = 5
MB: Final = 1_048_576
HOUR: Final = 3_600
DAY: Final = 86_400

MEMORY_LIMIT: Final = 2_048 * MB
DESCRIPTOR_LIMIT: Final = 20_000
MAX_CONNECTIONS: Final = 15_000
BYTES_PER_CONNECTION: Final = 40 * 1_024
ONSET_S: Final = 2 * HOUR  # when something goes wrong, in the series where something does


@dataclass(slots=True)
class Node:
    """What a node's numbers are at one moment, without noise; memory without connections'."""

    memory: float = 300.0 * MB
    connections: float = 2_000.0
    cpu: float = 30.0
    queue: float = 3.0
    extra_files: float = 60.0
    disconnects: float = 2.0  # a second
    failures: float = 0.1  # a second
    rtt: float = 0.040


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations, and how much of one sample's the next has (AR(1))."""

    memory: float = 2.0 * MB
    connections: float = 5.0
    cpu: float = 4.0
    rtt: float = 0.004
    kept: float = 0.0


@dataclass(frozen=True, slots=True)
class Story:
    """A series by name: what the node is at each second; `wrong` is whose finding is wanted."""

    name: str
    told: str
    at: Callable[[float, Random], Node]
    noise: Noise = field(default_factory=Noise)
    wrong: Gauge | None = None


def made(story: Story, length_s: int, random: Random) -> dict[Gauge, list[float]]:
    """Return every gauge's values, one each five seconds."""
    columns: dict[Gauge, list[float]] = {}
    noise = story.noise
    strays = [0.0] * 4
    fresh = sqrt(1 - noise.kept**2)
    for number in range(length_s // STEP_S):
        node = story.at(number * STEP_S, random)
        strays = [noise.kept * stray + fresh * random.gauss(0, 1) for stray in strays]
        connections = round(max(0.0, node.connections + noise.connections * strays[0]))
        row = {
            Gauge.MEMORY_BYTES: node.memory
            + connections * BYTES_PER_CONNECTION
            + noise.memory * strays[1],
            Gauge.MEMORY_LIMIT_BYTES: MEMORY_LIMIT,
            Gauge.CPU_PERCENT: max(0.0, node.cpu + noise.cpu * strays[2]),
            Gauge.CONNECTIONS: connections,
            Gauge.QUEUE_DEPTH: events(node.queue, random),
            Gauge.DESCRIPTORS: connections + round(node.extra_files),
            Gauge.DESCRIPTOR_LIMIT: DESCRIPTOR_LIMIT,
            Gauge.DISCONNECTS_PER_S: events(node.disconnects * STEP_S, random) / STEP_S,
            Gauge.HANDSHAKE_FAILURES_PER_S: events(node.failures * STEP_S, random) / STEP_S,
            Gauge.RTT_P50_S: max(0.001, node.rtt + noise.rtt * strays[3]),
        }
        for gauge, value in row.items():
            columns.setdefault(gauge, []).append(float(value))
    return columns


def events(mean: float, random: Random) -> int:
    """Return a number of independent events (Poisson; normal where there are many)."""
    if mean > 50:  # noqa: PLR2004 (from here on nobody sees the difference)
        return max(0, round(random.gauss(mean, sqrt(mean))))
    left, count = exp(-mean), 0
    chance = random.random()
    while chance > left:
        chance *= random.random()
        count += 1
    return count


def _season(second: float) -> float:
    """-1 at the beginning of a day, 1 at its middle."""
    return sin(2 * pi * (second / DAY - 0.25))


def _flat(_second: float, _random: Random) -> Node:
    return Node()


def _daily(second: float, _random: Random) -> Node:
    well = _season(second)
    return Node(connections=5_000 + 3_000 * well, cpu=30 + 15 * well, disconnects=5 + 3 * well)


def _steps(second: float, _random: Random) -> Node:
    """Six hours of each; a step takes two minutes."""
    into, number = second % (6 * HOUR), int(second // (6 * HOUR))
    risen = min(1.0, into / 120)
    share = (risen if number % 2 else 1 - risen) if number else 0.0
    return Node(connections=2_000 + 4_000 * share, disconnects=2 + 4 * share)


def _sawtooth(second: float, _random: Random) -> Node:
    return Node(memory=(300 + 60 * (second % 1_200) / 1_200) * MB)


def _bursts(second: float, random: Random) -> Node:
    """Once in 40 minutes everything is odd for one sample, CPU and queues for two."""
    into = second % 2_400
    if into >= 2 * STEP_S:
        return Node()
    if into < STEP_S:
        return Node(cpu=98, queue=700, disconnects=10, failures=3, rtt=0.2 + 0.1 * random.random())
    return Node(cpu=98, queue=700)


def _trembling(second: float, _random: Random) -> Node:
    """About the limit of CPU, half a minute above and half a minute below, all day."""
    return Node(cpu=87 if second % 60 < 30 else 73)  # noqa: PLR2004 (half of a minute)


QUIET: Final = (
    Story("flat", "noise only", _flat),
    Story(
        "AR(1)",
        "noise of which each sample keeps 0.9: memory ±20 MB, connections ±50, RTT ±8 ms",
        _flat,
        Noise(memory=20 * MB, connections=50, cpu=8, rtt=0.008, kept=0.9),
    ),
    Story("daily season", "2,000 to 8,000 connections and back, 40 KiB each", _daily),
    Story("steps of load", "2,000, then 6,000 connections within two minutes, and back", _steps),
    Story("sawtooth", "memory grows by 60 MB in 20 minutes, and is collected", _sawtooth),
    Story("bursts", "every 40 minutes one sample of everything, two of CPU and queues", _bursts),
    Story("trembling", "CPU at 87 % for half a minute, at 73 % for the next", _trembling),
)


def _from_onset(**rates_an_hour: float) -> Callable[[float, Random], Node]:
    """Return a node of which something grows from the onset on."""

    def at(second: float, _random: Random) -> Node:
        hours = max(0.0, second - ONSET_S) / HOUR
        node = Node()
        for name, rate in rates_an_hour.items():
            setattr(node, name, getattr(node, name) + rate * hours)
        return node

    return at


def _at_onset(**values: float) -> Callable[[float, Random], Node]:
    """Return a node of which something is different from the onset on."""

    def at(second: float, _random: Random) -> Node:
        return Node(**values) if second >= ONSET_S else Node()

    return at


def _leak_in_the_morning(second: float, random: Random) -> Node:
    """The season's steepest hours, and a leak with them."""
    node = _daily(second + 4 * HOUR, random)
    node.memory += 400 * MB * max(0.0, second - ONSET_S) / HOUR
    return node


WRONG: Final = (
    Story("slow leak", "400 MB an hour", _from_onset(memory=400 * MB), wrong=Gauge.MEMORY_BYTES),
    Story("fast leak", "6 GB an hour", _from_onset(memory=6_144 * MB), wrong=Gauge.MEMORY_BYTES),
    Story(
        "leak behind load",
        "400 MB an hour while connections rise with the day",
        _leak_in_the_morning,
        wrong=Gauge.MEMORY_BYTES,
    ),
    Story(
        "leak in noise",
        "400 MB an hour in the noise of AR(1)",
        _from_onset(memory=400 * MB),
        Noise(memory=20 * MB, connections=50, cpu=8, rtt=0.008, kept=0.9),
        wrong=Gauge.MEMORY_BYTES,
    ),
    Story(
        "growth",
        "3,000 connections more an hour",
        _from_onset(connections=3_000),
        wrong=Gauge.CONNECTIONS,
    ),
    Story(
        "open files",
        "4,000 more an hour",
        _from_onset(extra_files=4_000),
        wrong=Gauge.DESCRIPTORS,
    ),
    Story("queue", "1 message more a second", _from_onset(queue=3_600), wrong=Gauge.QUEUE_DEPTH),
    Story("memory", "1,200 MB at once", _at_onset(memory=1_200 * MB), wrong=Gauge.MEMORY_BYTES),
    Story("CPU", "90 % at once", _at_onset(cpu=90.0), wrong=Gauge.CPU_PERCENT),
    Story(
        "disconnects",
        "3 instead of 2 a second",
        _at_onset(disconnects=3.0),
        wrong=Gauge.DISCONNECTS_PER_S,
    ),
    Story(
        "mass disconnect",
        "20 instead of 2 a second",
        _at_onset(disconnects=20.0),
        wrong=Gauge.DISCONNECTS_PER_S,
    ),
    Story("slower", "RTT 50 instead of 40 ms", _at_onset(rtt=0.05), wrong=Gauge.RTT_P50_S),
    Story("much slower", "RTT 200 instead of 40 ms", _at_onset(rtt=0.2), wrong=Gauge.RTT_P50_S),
    Story(
        "bad tokens",
        "5 failed handshakes a second instead of one in ten",
        _at_onset(failures=5.0),
        wrong=Gauge.HANDSHAKE_FAILURES_PER_S,
    ),
)
