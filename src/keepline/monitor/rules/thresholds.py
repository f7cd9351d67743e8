"""A value over its limit: raised at the limit, cleared well below it. Pure."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from keepline.monitor.findings import Finding, Kind, Severity
from keepline.monitor.rules.latch import Latch
from keepline.monitor.rules.words import amount, called

if TYPE_CHECKING:
    from keepline.monitor.gauges import Gauge
    from keepline.settings.rules import Rules


class Limits(NamedTuple):
    """Above which a gauge is worth a finding, and above which it is serious (None: never)."""

    medium: float
    high: float | None


class Threshold:
    """One gauge, its limits handed in with each look: what is there to be used up may change."""

    __slots__ = ("_clear_share", "_high", "_over", "gauge")

    def __init__(self, gauge: Gauge, settings: Rules) -> None:
        self.gauge = gauge
        self._clear_share = settings.clear_share
        self._over = Latch(settings.raise_after_s, settings.hold_s)
        self._high = Latch(settings.raise_after_s, settings.hold_s)

    def look(self, now: float, value: float, limits: Limits) -> Finding | None:
        """Return what holds now; a sample without a value changes nothing and finds nothing."""
        if not isfinite(value):
            return None
        over = self._look(self._over, now, value, limits.medium)
        high = limits.high is not None and self._look(self._high, now, value, limits.high)
        if not (over or high):
            return None
        severity = Severity.HIGH if high else Severity.MEDIUM
        limit = limits.high if high and limits.high is not None else limits.medium
        detail = (
            f"{called(self.gauge)}: {amount(self.gauge, value)},"
            f" the limit is {amount(self.gauge, limit)}"
        )
        return Finding(self.gauge, Kind.THRESHOLD, severity, value, limit, None, detail)

    def _look(self, latch: Latch, now: float, value: float, limit: float) -> bool:
        return latch.update(now, over=value > limit, clear=value < limit * self._clear_share)
