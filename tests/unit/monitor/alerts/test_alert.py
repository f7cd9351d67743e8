from __future__ import annotations

from keepline.monitor.alerts.alert import INCIDENT, problem_of
from keepline.monitor.findings import Finding, Kind, Severity
from keepline.monitor.gauges import Gauge


def test_a_finding_becomes_a_problem_with_its_numbers() -> None:
    finding = Finding(
        Gauge.MEMORY_BYTES, Kind.TREND, Severity.HIGH, 12.0, 2_048.0, 600.0, "memory: it grows"
    )
    problem = problem_of(finding)
    assert problem.key == ("memory_bytes", "trend", "")
    assert (problem.value, problem.limit, problem.exhausted_in_s) == (12.0, 2_048.0, 600.0)
    assert (problem.severity, problem.detail) == (Severity.HIGH, "memory: it grows")


def test_an_incident_is_no_kind_of_rule() -> None:
    assert INCIDENT not in {*Kind}
