"""All rules over all gauges, and what they have to remember. Pure.

Trends and shifts are dear and slow to change, so they take turns: with a sample every five
seconds, each gets to look once or twice a minute.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from keepline.monitor.findings import Severity
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.outlook import LONG, SHORT, Outlook
from keepline.monitor.rules.seed_trend import MOST, seed_trend
from keepline.monitor.rules.thresholds import Limits, Threshold
from keepline.monitor.rules.turns import Turn
from keepline.monitor.rules.watched import STALE_S, Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from keepline.monitor.findings import Finding
    from keepline.monitor.rules.seasons import Seasons
    from keepline.monitor.rules.watched import Recent
    from keepline.settings.rules import Rules

LIMITED: Final = (Gauge.MEMORY_BYTES, Gauge.CPU_PERCENT, Gauge.CONNECTIONS, Gauge.QUEUE_DEPTH)
GROWING: Final = (Gauge.MEMORY_BYTES, Gauge.CONNECTIONS, Gauge.QUEUE_DEPTH, Gauge.DESCRIPTORS)

HIGH_MEMORY: Final = 1.5  # times the limit
HIGH_CPU_PERCENT: Final = 95.0
NEAR_THE_END: Final = 0.9  # of what there is: a limit beyond it would hardly be passed
AT_THE_END: Final = 0.95
HOUR_S: Final = 3_600

# Which of the twelve samples of a minute is whose; a short trend has two. Shifts have 6 to 8.
_SHORT_PLACES: Final = (0, 1, 2, 3)
_LONG_PLACES: Final = (4, 5, 10, 11)


class Rulebook:
    """What holds now, by the series of one process. Not for two threads at once."""

    __slots__ = (
        "_began",
        "_max_connections",
        "_outlooks",
        "_settings",
        "_thresholds",
        "_watched",
    )

    def __init__(self, settings: Rules, max_connections: int) -> None:
        self._settings = settings
        self._max_connections = max_connections
        self._began: float | None = None
        self._thresholds = [Threshold(gauge, settings) for gauge in LIMITED]
        self._watched = Watched(settings)
        self._outlooks = [
            Turn(Outlook(gauge, window, settings), window.every_s, place)
            for window, places in ((SHORT, _SHORT_PLACES), (LONG, _LONG_PLACES))
            for gauge, place in zip(GROWING, places, strict=True)
        ]

    @property
    def seasons(self) -> Seasons:
        """What the hours of a week bring, which is learned from one life to the next."""
        return self._watched.seasons

    def evaluate(self, now: float, recent: Recent) -> tuple[Finding, ...]:
        """Return what holds now: of each gauge and kind one finding, the worst.

        To be called with each sample. `now` is monotonic. What was sampled before the first call
        may be of another process, and is no part of a trend. A gauge without samples has no
        findings.
        """
        return worst(self._all(now, recent))

    def _all(self, now: float, recent: Recent) -> Iterator[Finding | None]:
        for threshold in self._thresholds:
            values = recent(threshold.gauge, STALE_S).values
            if values:
                yield threshold.look(now, values[-1], self._limits(threshold.gauge, recent))
        yield from self._watched.look(now, recent)
        if self._settings.trends == "seed":
            yield from (seed_trend(gauge, recent(gauge, HOUR_S)) for gauge in MOST)
            return
        for outlook in self._outlooks:
            outlook.take(now, lambda rule: self._trend(rule, now, recent))
            yield outlook.finding

    def _trend(self, rule: Outlook, now: float, recent: Recent) -> Finding | None:
        if self._began is None:
            self._began = now
        length_s = min(rule.window.length_s, now - self._began)
        cut = rule.window.cut(recent(rule.gauge, length_s))
        connections = None
        if rule.gauge is Gauge.MEMORY_BYTES:
            connections = rule.window.cut(recent(Gauge.CONNECTIONS, length_s))
        return rule.look(now, cut, self._end(rule.gauge, recent), connections)

    def _end(self, gauge: Gauge, recent: Recent) -> float:
        """Return how much of something there is; inf where nobody knows."""
        match gauge:
            case Gauge.CONNECTIONS:
                return self._max_connections
            case Gauge.QUEUE_DEPTH:
                return self._settings.queue_depth
            case Gauge.DESCRIPTORS:
                return _latest(recent, Gauge.DESCRIPTOR_LIMIT)
            case _:
                return _latest(recent, Gauge.MEMORY_LIMIT_BYTES)

    def _limits(self, gauge: Gauge, recent: Recent) -> Limits:
        settings = self._settings
        match gauge:
            case Gauge.CPU_PERCENT:
                return Limits(settings.cpu_percent, max(HIGH_CPU_PERCENT, settings.cpu_percent))
            case Gauge.CONNECTIONS:
                near = NEAR_THE_END * self._max_connections
                return Limits(near if settings.connections is None else settings.connections, None)
            case Gauge.QUEUE_DEPTH:
                return Limits(settings.queue_depth, settings.queue_depth)
            case _:
                there_is = self._end(gauge, recent)
                return Limits(
                    min(settings.memory_bytes, NEAR_THE_END * there_is),
                    min(HIGH_MEMORY * settings.memory_bytes, AT_THE_END * there_is),
                )


def worst(found: Iterable[Finding | None]) -> tuple[Finding, ...]:
    """Return of each gauge and kind the worst finding: serious, and soonest exhausted."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in found:
        if finding is None:
            continue
        key = (finding.gauge, finding.kind)
        if key not in kept or _badness(finding) > _badness(kept[key]):
            kept[key] = finding
    return tuple(kept.values())


def _badness(finding: Finding) -> tuple[bool, float]:
    left_s = inf if finding.exhausted_in_s is None else finding.exhausted_in_s
    return finding.severity is Severity.HIGH, -left_s


def _latest(recent: Recent, gauge: Gauge) -> float:
    values = recent(gauge, STALE_S).values
    return values[-1] if values else inf
