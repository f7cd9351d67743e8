"""What the governor does, noted on the alerts that it is about, with what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.signals import Signal
from keepline.monitor.findings import Kind
from keepline.monitor.gauges import Gauge

if TYPE_CHECKING:
    from keepline.gateway.governor.governor import Governor
    from keepline.gateway.governor.signals import Seen
    from keepline.monitor.alerts.alerts import Alerts

DONE: Final = {
    Action.SHRINK: "quiet devices are idle sooner and hold no buffers",
    Action.SLOW: "every second look at ourselves is left out",
    Action.HOLD: "devices that come back by themselves are held",
    Action.SHED: "idle devices are sent away",
    Action.RESUMES_ONLY: "only devices that were here lately are let in",
    Action.NONE: "no device is let in",
}
ABOUT: Final = {
    Signal.MEMORY: Gauge.MEMORY_BYTES,
    Signal.QUEUED: Gauge.QUEUE_DEPTH,
    Signal.LAG: Gauge.CPU_PERCENT,
}
"""Which alerts an action is about; nobody is warned of requests that wait."""

_KINDS: Final = (Kind.THRESHOLD, Kind.TREND)
_MB: Final = 1_048_576


class Deeds:
    """Remembers what was seen when an action began: its effect is what is seen since."""

    def __init__(self, governor: Governor, alerts: Alerts) -> None:
        self._governor = governor
        self._alerts = alerts
        self._began: dict[Action, Seen] = {}

    def note(self) -> None:
        """Note what is done now, and what has ended; to be called with each sample."""
        taken, seen = self._governor.taken, self._governor.seen
        for action in taken:
            began = self._began.setdefault(action, seen)
            self._note(action, began, seen, "")
        for action in [each for each in self._began if each not in taken]:
            self._note(action, self._began.pop(action), seen, ", over")

    def _note(self, action: Action, began: Seen, seen: Seen, end: str) -> None:
        for signal in action.relieves:
            gauge = ABOUT.get(signal)
            if gauge is None:
                continue
            effect = f"{_read(signal, began)} before, {_read(signal, seen)} now{end}"
            for kind in _KINDS:
                self._alerts.acted(gauge.value, kind.value, DONE[action], effect)


def _read(signal: Signal, seen: Seen) -> str:
    match signal:
        case Signal.MEMORY:
            return "unknown" if seen.memory_share is None else f"{seen.memory_share:.0%} of memory"
        case Signal.QUEUED:
            return f"{seen.queued_bytes / _MB:.1f} MB queued"
        case _:
            return f"{seen.lag_s * 1_000:.0f} ms of lag"
