"""Limits: where they raise, where they clear, how serious it is."""

from __future__ import annotations

from math import nan

import pytest

from keepline.monitor.findings import Finding, Kind, Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.thresholds import Limits, Threshold
from keepline.settings.rules import Rules

AT_ONCE = Rules(raise_after_s=0, hold_s=0)
CPU = Limits(80.0, 95.0)
MEDIUM, HIGH = Severity.MEDIUM, Severity.HIGH


def looks(
    values: list[float], limits: Limits = CPU, settings: Rules = AT_ONCE
) -> list[Finding | None]:
    threshold = Threshold(Gauge.CPU_PERCENT, settings)
    return [threshold.look(5.0 * at, value, limits) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([79, 80], [None, None]),
        ([81, 96, 81], [MEDIUM, HIGH, HIGH]),
        ([96, 70, 61], [HIGH, MEDIUM, MEDIUM]),
        ([81, 61, 59], [MEDIUM, MEDIUM, None]),
        ([81, nan, 59, nan], [MEDIUM, None, None, None]),
    ],
    ids=["not over", "serious stays so", "less serious well below", "hysteresis", "no value"],
)
def test_a_value_is_judged(values: list[float], expected: list[Severity | None]) -> None:
    assert [each and each.severity for each in looks(values)] == expected


def test_a_limit_may_always_be_serious_or_never() -> None:
    assert [each and each.severity for each in looks([501], Limits(500, 500))] == [HIGH]
    assert [each and each.severity for each in looks([9_999], Limits(500, None))] == [MEDIUM]


def test_it_takes_a_while_and_holds_for_a_while() -> None:
    found = looks([90, 90, 90, 50, 50, 50], settings=Rules(raise_after_s=10, hold_s=15))
    assert [each is not None for each in found] == [False, False, True, True, True, False]


def test_a_finding_says_what_is_over_which_limit() -> None:
    [found] = looks([96.25])
    assert found == Finding(
        Gauge.CPU_PERCENT,
        Kind.THRESHOLD,
        HIGH,
        96.25,
        95.0,
        None,
        "CPU: 96.2 %, the limit is 95 %",
    )


def test_a_limit_that_is_lowered_holds_from_the_next_look_on() -> None:
    threshold = Threshold(Gauge.MEMORY_BYTES, AT_ONCE)
    assert threshold.look(0.0, 500.0, Limits(1_000.0, None)) is None
    assert threshold.look(5.0, 500.0, Limits(400.0, None)) is not None
