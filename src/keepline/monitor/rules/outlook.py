"""What grows until something is used up: the trends of memory, connections, queues, files. Pure.

No series is drawn out further than six times its own length, so each severity has a window: five
minutes of samples say what ends within half an hour, an hour of minutes what ends within six.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.findings import Finding, Kind, Severity
from keepline.monitor.rules.growth import growth
from keepline.monitor.rules.latch import Latch
from keepline.monitor.rules.load import explained
from keepline.monitor.rules.windows import by_step
from keepline.monitor.rules.words import amount, called, duration

if TYPE_CHECKING:
    from keepline.monitor.gauges import Gauge
    from keepline.monitor.sample import Series
    from keepline.settings.rules import Rules

_HOUR_S: Final = 3_600
_SURE_AFTER_LOOKS: Final = 2  # a trend is found when it has been seen for so long
_HOLD_LOOKS: Final = 5  # and over when it has not been seen for so long
_LEAK_SHARE: Final = 0.5  # of the growth, from which on it is called a leak


class Window(NamedTuple):
    """How far back a trend is looked for, in steps of what (None: as sampled), how often."""

    length_s: float
    step_s: float | None
    every_s: float

    def cut(self, series: Series) -> Series:
        """Return a series of this length as this window looks at it."""
        return series if self.step_s is None else by_step(series, self.step_s)


SHORT: Final = Window(300, None, 30)
LONG: Final = Window(3_600, 60, 60)


class Pace(NamedTuple):
    """How fast something grows (per second), when it ends, and why, as far as that is known."""

    slope: float
    exhausted_in_s: float | None
    cause: str


class Outlook:
    """One gauge in one window. `look` is to be called every `window.every_s`."""

    __slots__ = ("_high", "_medium", "_pace", "_settings", "gauge", "window")

    def __init__(self, gauge: Gauge, window: Window, settings: Rules) -> None:
        self.window = window
        self.gauge = gauge
        self._settings = settings
        self._pace = Pace(0.0, None, "")  # as last seen
        self._medium = Latch(_SURE_AFTER_LOOKS * window.every_s, _HOLD_LOOKS * window.every_s)
        self._high = Latch(_SURE_AFTER_LOOKS * window.every_s, _HOLD_LOOKS * window.every_s)

    def look(
        self, now: float, series: Series, limit: float, connections: Series | None = None
    ) -> Finding | None:
        """Return what holds now; `series` is in the window already, and `connections` (for memory).

        `limit` is what will be used up.
        """
        pace = pace_of(series, limit, connections)
        if pace is not None and pace.exhausted_in_s is not None:
            self._pace = pace
        left_s = None if pace is None else pace.exhausted_in_s
        medium = self._seen(self._medium, now, left_s, self._settings.medium_within_s)
        high = self._seen(self._high, now, left_s, self._settings.high_within_s)
        return self._finding(limit, Severity.HIGH if high else Severity.MEDIUM) if medium else None

    def _finding(self, limit: float, severity: Severity) -> Finding:
        slope, left_s, cause = self._pace
        detail = (
            f"{called(self.gauge)}: {amount(self.gauge, slope * _HOUR_S)} more an hour"
            f"{cause}, {amount(self.gauge, limit)} in {duration(left_s or 0.0)}"
        )
        return Finding(self.gauge, Kind.TREND, severity, slope, limit, left_s, detail)

    def _seen(self, latch: Latch, now: float, left_s: float | None, within_s: float) -> bool:
        return latch.update(
            now,
            over=left_s is not None and left_s < within_s,
            clear=left_s is None or left_s * self._settings.clear_share > within_s,
        )


def pace_of(series: Series, limit: float, connections: Series | None = None) -> Pace | None:
    """Return how a series goes on; None when it does not grow, or not surely, or is too short."""
    whole = growth(series)
    if whole is None:
        return None
    if connections is None:
        return Pace(whole.slope, whole.exhausted_in_s(limit), "") if whole.slope else None
    load = explained(series, connections)
    leak = growth(load.rest) if load.bytes_per_connection else whole
    if leak is None or not (whole.slope or leak.slope):
        return None
    faster = max(whole, leak, key=lambda each: each.slope)
    if leak.slope < _LEAK_SHARE * faster.slope:
        cause = " with the connections"
        if load.doubtful:
            cause += ", or a leak that rises with them"
    else:
        cause = ", not explained by connections: a leak"
    return Pace(faster.slope, faster.exhausted_in_s(limit), cause)
