from __future__ import annotations

import pytest

from keepline.app.alerting import DAY_S, expiry_of
from keepline.monitor.findings import Severity

WALL = 1_800_000_000.0


@pytest.mark.parametrize("expires_at", [None, WALL + 15 * DAY_S])
def test_a_certificate_that_is_good_for_long_or_not_there_is_no_incident(
    expires_at: float | None,
) -> None:
    assert expiry_of(expires_at, WALL) is None


@pytest.mark.parametrize(
    ("days", "severity", "told"),
    [
        (13.0, Severity.MEDIUM, "expires in 13.0 days"),
        (1.5, Severity.HIGH, "expires in 1.5 days"),
        (-1.0, Severity.HIGH, "has expired"),
    ],
)
def test_one_that_ends_soon_is_told_and_at_the_end_it_is_serious(
    days: float, severity: Severity, told: str
) -> None:
    fact = expiry_of(WALL + days * DAY_S, WALL)
    assert fact is not None
    assert fact.severity is severity
    assert fact.detail.endswith(told)
