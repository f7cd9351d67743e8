"""What a rule found in the series of a node: the seam between rules and alerts."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from keepline.monitor.gauges import Gauge


class Severity(StrEnum):
    """How soon somebody should look."""

    MEDIUM = "medium"
    HIGH = "high"


class Kind(StrEnum):
    """What sort of rule it was."""

    THRESHOLD = "threshold"
    TREND = "trend"
    ANOMALY = "anomaly"


class Finding(NamedTuple):
    """One rule fires, on the latest sample.

    `value` and `limit` are in the gauge's unit (a slope per second for a trend, where `limit` is
    what will be exhausted; a robust z-score for an anomaly); `exhausted_in_s` is of trends alone.
    `detail` is one English sentence for people, with the numbers in it.
    """

    gauge: Gauge
    kind: Kind
    severity: Severity
    value: float
    limit: float
    exhausted_in_s: float | None
    detail: str
