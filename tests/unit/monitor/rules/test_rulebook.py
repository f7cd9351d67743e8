"""All rules together, on a node's series."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from keepline.monitor.findings import Finding, Kind, Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rings import Rings
from keepline.monitor.rules.rulebook import Rulebook, worst
from keepline.monitor.rules.watched import STALE_S
from keepline.monitor.sample import Sample, Series, in_order
from keepline.settings.rules import Rules

MB = 1_048_576
STEP_S = 5.0
STILL = {
    Gauge.MEMORY_BYTES: 300.0 * MB,
    Gauge.MEMORY_LIMIT_BYTES: 8_192.0 * MB,
    Gauge.CPU_PERCENT: 20.0,
    Gauge.CONNECTIONS: 500.0,
    Gauge.QUEUE_DEPTH: 2.0,
    Gauge.DESCRIPTORS: 560.0,
    Gauge.DESCRIPTOR_LIMIT: 20_000.0,
    Gauge.DISCONNECTS_PER_S: 0.5,
    Gauge.HANDSHAKE_FAILURES_PER_S: 0.1,
    Gauge.RTT_P50_S: 0.04,
}
DEFAULTS = Rules()
Changed = dict[Gauge, Callable[[float], float]]


def played(
    changed: Changed,
    minutes: int = 5,
    settings: Rules = DEFAULTS,
    max_connections: int = 15_000,
    gone: Gauge | None = None,
) -> list[Finding]:
    """Play a node whose gauges change by functions of time, and return what holds at the end."""
    chance = random.Random(8)
    count = minutes * 12
    times = [1e9 + STEP_S * at for at in range(count)]
    columns = {
        gauge: [changed.get(gauge, lambda _, v=value: v)(STEP_S * at) for at in range(count)]
        for gauge, value in STILL.items()
    }
    for gauge in (Gauge.MEMORY_BYTES, Gauge.CONNECTIONS, Gauge.DESCRIPTORS):
        columns[gauge] = [value * chance.gauss(1, 0.001) for value in columns[gauge]]
    rulebook = Rulebook(settings, max_connections)
    found: tuple[Finding, ...] = ()
    for end in range(1, count + 1):

        def recent(gauge: Gauge, for_s: float, end: int = end) -> Series:
            if gauge is gone or gauge not in columns:
                return Series([], [])
            first = max(0, end - round(for_s / STEP_S))
            return Series(times[first:end], columns[gauge][first:end])

        found = rulebook.evaluate(STEP_S * end, recent)
    return list(found)


def brief(findings: list[Finding]) -> set[tuple[Gauge, Kind, Severity]]:
    return {(each.gauge, each.kind, each.severity) for each in findings}


T, R, A = Kind.THRESHOLD, Kind.TREND, Kind.ANOMALY
MEDIUM, HIGH = Severity.MEDIUM, Severity.HIGH


@pytest.mark.parametrize(
    ("changed", "minutes", "expected"),
    [
        ({}, 70, set()),
        ({Gauge.MEMORY_BYTES: lambda _: 1_100.0 * MB}, 5, {(Gauge.MEMORY_BYTES, T, MEDIUM)}),
        ({Gauge.MEMORY_BYTES: lambda _: 1_600.0 * MB}, 5, {(Gauge.MEMORY_BYTES, T, HIGH)}),
        ({Gauge.CPU_PERCENT: lambda _: 85.0}, 5, {(Gauge.CPU_PERCENT, T, MEDIUM)}),
        ({Gauge.CPU_PERCENT: lambda _: 96.0}, 5, {(Gauge.CPU_PERCENT, T, HIGH)}),
        ({Gauge.CONNECTIONS: lambda _: 1_100.0}, 5, {(Gauge.CONNECTIONS, T, MEDIUM)}),
        ({Gauge.QUEUE_DEPTH: lambda _: 501.0}, 5, {(Gauge.QUEUE_DEPTH, T, HIGH)}),
        ({Gauge.QUEUE_DEPTH: lambda at: 1.0 * at}, 5, {(Gauge.QUEUE_DEPTH, R, HIGH)}),
        (
            {
                Gauge.MEMORY_BYTES: lambda at: 300.0 * MB * (1 + at / 900),
                Gauge.MEMORY_LIMIT_BYTES: lambda _: 2_048.0 * MB,
            },
            20,
            {(Gauge.MEMORY_BYTES, R, MEDIUM)},
        ),
        (
            {Gauge.DESCRIPTORS: lambda at: 8_000 + 10 * at},
            8,
            {(Gauge.DESCRIPTORS, R, HIGH)},
        ),
        (
            {Gauge.RTT_P50_S: lambda at: 0.04 if at < 3_000 else 0.4},
            52,
            {(Gauge.RTT_P50_S, A, MEDIUM)},
        ),
        (
            {Gauge.DISCONNECTS_PER_S: lambda at: 0.5 if at < 3_000 else 9.0},
            52,
            {(Gauge.DISCONNECTS_PER_S, A, MEDIUM)},
        ),
    ],
    ids=[
        *("still", "memory", "much memory", "CPU", "much CPU", "connections", "queue"),
        *("queue fills", "memory leaks", "files run out", "slow", "devices leave"),
    ],
)
def test_a_node_has_the_findings_that_its_series_show(
    changed: Changed, minutes: int, expected: set[tuple[Gauge, Kind, Severity]]
) -> None:
    assert brief(played(changed, minutes)) == expected


def test_the_limit_of_connections_may_be_derived_from_what_is_admitted() -> None:
    changed: Changed = {Gauge.CONNECTIONS: lambda _: 1_100.0}
    derived = Rules(connections=None)
    assert played(changed, settings=derived) == []
    assert brief(played(changed, settings=derived, max_connections=1_200)) == {
        (Gauge.CONNECTIONS, T, MEDIUM)
    }


def test_a_limit_of_memory_lies_below_what_there_is() -> None:
    changed: Changed = {Gauge.MEMORY_LIMIT_BYTES: lambda _: 320.0 * MB}
    assert brief(played(changed)) == {(Gauge.MEMORY_BYTES, T, MEDIUM)}
    changed = {Gauge.MEMORY_LIMIT_BYTES: lambda _: 310.0 * MB}
    assert brief(played(changed)) == {(Gauge.MEMORY_BYTES, T, HIGH)}


def test_the_preset_seed_knows_growth_in_ten_samples_and_no_end() -> None:
    changed: Changed = {Gauge.MEMORY_BYTES: lambda at: (300.0 + 0.9 * at) * MB}
    seed = Rules(trends="seed", connections=None)
    assert played(changed, 2, seed) == []
    changed = {Gauge.MEMORY_BYTES: lambda at: (300.0 + 2 * at) * MB}
    assert brief(played(changed, 2, seed)) == {(Gauge.MEMORY_BYTES, R, MEDIUM)}


def test_a_former_process_is_no_part_of_a_trend() -> None:
    rulebook = Rulebook(DEFAULTS, 15_000)
    former, later = 720, 36
    times = [1e9 + STEP_S * at for at in range(former + later)]
    files = [8_000.0 + 10 * at for at in range(former)] + [17_500.0] * later
    found: list[Finding] = []
    for end in range(former + 1, former + later + 1):

        def recent(gauge: Gauge, for_s: float, end: int = end) -> Series:
            first = end - round(for_s / STEP_S)
            values = files if gauge is Gauge.DESCRIPTORS else [STILL[gauge]] * len(times)
            return Series(times[first:end], values[first:end])

        found += rulebook.evaluate(STEP_S * end, recent)
    assert found == []


@pytest.mark.parametrize("gone", list(STILL))
def test_a_gauge_that_a_machine_does_not_have_has_no_findings(gone: Gauge) -> None:
    changed: Changed = {Gauge.MEMORY_BYTES: lambda _: 1_100.0 * MB}
    found = played(changed, 22, gone=gone)
    assert brief(found) == (
        set() if gone is Gauge.MEMORY_BYTES else {(Gauge.MEMORY_BYTES, T, MEDIUM)}
    )


def test_what_has_not_been_sampled_for_a_while_is_not_judged() -> None:
    asked: list[float] = []

    def recent(_: Gauge, for_s: float) -> Series:
        asked.append(for_s)
        return Series([], [])

    assert Rulebook(Rules(), 15_000).evaluate(0.0, recent) == ()
    assert STALE_S in asked


def test_the_rings_of_a_sampler_are_what_the_rules_read() -> None:
    rings = Rings(STEP_S)
    rulebook = Rulebook(DEFAULTS, 15_000)
    for at in range(40):
        values = STILL | {Gauge.CPU_PERCENT: 96.0, Gauge.MEMORY_BYTES: None}
        rings.add(Sample(1e9 + STEP_S * at, in_order(values), {}))
        found = rulebook.evaluate(STEP_S * at, rings.series)
    assert brief(list(found)) == {(Gauge.CPU_PERCENT, T, HIGH)}


def finding(severity: Severity, left_s: float | None, kind: Kind = R) -> Finding:
    return Finding(Gauge.DESCRIPTORS, kind, severity, 1.0, 2.0, left_s, "")


def test_of_each_gauge_and_kind_the_worst_is_told() -> None:
    late, soon = finding(MEDIUM, 9_000.0), finding(MEDIUM, 7_000.0)
    high, other = finding(HIGH, 9_000.0), finding(MEDIUM, None, T)
    assert worst([late, None, soon, other]) == (soon, other)
    assert worst([high, soon]) == (high,)
    assert worst([]) == ()
