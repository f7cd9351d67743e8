"""What is watched for being above usual, all of it, and what usual is by now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.anomalies import HOUR_S, MINUTE_S, Outliers, Shift
from keepline.monitor.rules.seasons import Seasons
from keepline.monitor.rules.turns import Turn
from keepline.monitor.rules.windows import NOTHING, with_as_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepline.monitor.findings import Finding
    from keepline.monitor.sample import Series
    from keepline.settings.rules import Rules

    Recent = Callable[[Gauge, float], Series]
    """Returns what a gauge was in the last so many seconds, up to the newest sample of all."""

WATCHED: Final = (Gauge.DISCONNECTS_PER_S, Gauge.RTT_P50_S, Gauge.HANDSHAKE_FAILURES_PER_S)
STALE_S: Final = 60.0  # a gauge without a value for so long has none

_PLACES: Final = (6, 7, 8)
"""Which of the twelve samples of a minute is whose."""


class Watched:
    """Every sample is looked at for outliers, every minute for shifts; `seasons` learn of both."""

    __slots__ = ("_outliers", "_shifts", "seasons")

    def __init__(self, settings: Rules, seasons: Seasons | None = None) -> None:
        self.seasons = Seasons(WATCHED) if seasons is None else seasons
        self._outliers = {gauge: Outliers(gauge, settings, self.seasons) for gauge in WATCHED}
        self._shifts = [
            Turn(Shift(gauge, settings, self.seasons), MINUTE_S, place)
            for gauge, place in zip(WATCHED, _PLACES, strict=True)
        ]

    def look(self, now: float, recent: Recent) -> Iterator[Finding | None]:
        """Yield what holds now; to be called with each sample, `now` is monotonic."""
        for gauge, outliers in self._outliers.items():
            yield outliers.look(now, recent(gauge, STALE_S))
        for shift in self._shifts:
            shift.take(now, lambda rule: self._shifted(rule, now, recent))
            yield shift.finding

    def _shifted(self, rule: Shift, now: float, recent: Recent) -> Finding | None:
        seen = recent(rule.gauge, HOUR_S) if recent(rule.gauge, STALE_S).times else NOTHING
        rule.learn(seen)
        if rule.gauge is Gauge.DISCONNECTS_PER_S:
            seen = with_as_many(seen, recent(Gauge.CONNECTIONS, HOUR_S))
        self._outliers[rule.gauge].learn(seen)
        return rule.look(now, seen)
