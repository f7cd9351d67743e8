"""What was done about each alert, and what came of that: told with every notice of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.app.remedies import REMEDIES, UNDONE
from keepline.gateway.governor.actions import FORCED
from keepline.gateway.governor.actions import Action as Taken
from keepline.gateway.governor.signals import Signal
from keepline.monitor.alerts.alert import Account, Action
from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.words import duration, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from keepline.app.remedies import Remedy
    from keepline.gateway.governor.actions import Change
    from keepline.gateway.governor.signals import Seen
    from keepline.gateway.node import Node
    from keepline.monitor.alerts.alert import Alert

DONE: Final = {
    Taken.SHRINK: "quiet devices are idle sooner and hold no buffers",
    Taken.SLOW: "every second look at ourselves is left out",
    Taken.HOLD: "devices that come back by themselves are held",
    Taken.SHED: "idle devices are sent away",
    Taken.RESUMES_ONLY: "only devices that were here lately are let in",
    Taken.NONE: "no device is let in",
}
ABOUT: Final[Mapping[str, Signal]] = {
    Gauge.MEMORY_BYTES: Signal.MEMORY,
    Gauge.QUEUE_DEPTH: Signal.QUEUED,
    Gauge.CPU_PERCENT: Signal.LAG,
}
"""By which signal the governor sees what an alert is about; nobody is warned of who waits."""

MOST_ENDED: Final = 50
MOST_KNOWN: Final = 400
"""Alerts whose first numbers are remembered: more than can be open."""

_MB: Final = 1_048_576
_COUNTED: Final[Mapping[Taken, tuple[str, Callable[[Node], float]]]] = {
    Taken.SHRINK: (
        "frames of audio dropped",
        lambda node: node.counters.inbox_audio_dropped + node.counters.outbox_audio_dropped,
    ),
    Taken.HOLD: ("held", lambda node: node.governor.newcomers.held),
    Taken.SHED: ("sent away", lambda node: node.governor.shed),
    Taken.RESUMES_ONLY: ("refused", lambda node: node.governor.newcomers.refused),
    Taken.NONE: ("refused", lambda node: node.governor.newcomers.refused),
}


class _Seen(NamedTuple):
    """What was there when an action began or ended: `at` wall clock, `now` monotonic."""

    at: float
    now: float
    seen: Seen
    total: float


class _Episode(NamedTuple):
    """An action of the governor from its beginning to its end, None while it goes on."""

    taken: Taken
    forced: bool
    began: _Seen
    ended: _Seen | None = None


class _First(NamedTuple):
    """What had been counted when an alert was first asked for."""

    at: float
    now: float
    totals: list[list[float]]


class Deeds:
    """Remembers what was seen when something began: its effect is what is seen since."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._born_at = node.clock.wall()
        self._under_way: dict[Taken, _Episode] = {}
        self._ended: deque[_Episode] = deque(maxlen=MOST_ENDED)
        self._first: dict[int, _First] = {}
        node.governor.on_change = self._on_change

    def account(self, alert: Alert) -> Account:
        """Return what was done about an alert since it began, as far as this process knows."""
        governed = tuple(self._governed(alert))
        others = tuple(self._remedied(alert))
        key = (alert.about, alert.kind)
        if governed or others:
            return Account((*governed, *others))
        if key in UNDONE:
            return Account(undone=UNDONE[key](self._node))
        signal = ABOUT.get(alert.about)
        return Account(undone="" if signal is None else self._why_not(signal))

    # -- the governor ----------------------------------------------------------------------

    def _on_change(self, change: Change) -> None:
        taken = change.action
        if change.after is not None:
            begun = _Episode(taken, change.reason == FORCED, self._see(taken))
            self._under_way[taken] = begun
        elif (episode := self._under_way.pop(taken, None)) is not None:
            self._ended.append(episode._replace(ended=self._see(taken)))

    def _see(self, taken: Taken) -> _Seen:
        node = self._node
        _, count = _COUNTED.get(taken, ("", _none))
        return _Seen(node.clock.wall(), node.clock.now(), node.governor.seen, count(node))

    def _governed(self, alert: Alert) -> Iterator[Action]:
        signal = ABOUT.get(alert.about)
        if signal is None:
            return
        for episode in (*self._ended, *self._under_way.values()):
            ended = episode.ended
            if signal in episode.taken.relieves and (ended is None or ended.at >= alert.since):
                forced = ", as an operator wants it" if episode.forced else ""
                yield Action(
                    at=episode.began.at,
                    action=f"{DONE[episode.taken]}{forced}",
                    effect=_effect(episode, signal, ended or self._see(episode.taken)),
                    ended_at=None if ended is None else ended.at,
                )

    def _why_not(self, signal: Signal) -> str:
        """Return why the governor does nothing about what it sees by a signal."""
        governor = self._node.governor
        due = [each for each in Taken if signal in each.relieves and each not in governor.off]
        if not due:
            return "what the governor would do is switched off"
        forced = governor.orders.pressures()
        free = [each.low for each in due if each not in forced]
        if not free:
            told = " and ".join(f"{each:.2f}" for each in sorted({forced[each] for each in due}))
            return f"an operator has the governor act as at a pressure of {told}"
        return (
            f"{_read(signal, governor.seen)} are a pressure of {governor.pressures[signal]:.2f},"
            f" and the governor begins at {min(free):.2f}"
        )

    # -- everything else -------------------------------------------------------------------

    def _remedied(self, alert: Alert) -> Iterator[Action]:
        node, remedies = self._node, REMEDIES.get((alert.about, alert.kind), ())
        if not remedies:
            return
        totals = [[count(node) for count in each.counts.values()] for each in remedies]
        first = self._first.pop(alert.number, None)
        if first is None:
            # Of an alert of a former life only what this one does is known.
            first = _First(max(alert.since, self._born_at), node.clock.now(), totals)
        self._first[alert.number] = first  # the latest that was asked for is the last
        if len(self._first) > MOST_KNOWN:
            del self._first[next(iter(self._first))]
        lasted_s = node.clock.now() - first.now
        for remedy, before, after in zip(remedies, first.totals, totals, strict=True):
            grown = [total - then for then, total in zip(before, after, strict=True)]
            if remedy.always or any(grown):
                yield Action(first.at, remedy.action, _told(remedy, grown, lasted_s, node))


def _told(remedy: Remedy, grown: list[float], lasted_s: float, node: Node) -> str:
    counted = [
        f"{number(value)} {words}" for words, value in zip(remedy.counts, grown, strict=True)
    ]
    told = [f"{', '.join(counted)} in {duration(lasted_s)}"] if counted else []
    return ", ".join([*told, *([remedy.now(node)] if remedy.now is not None else [])])


def _effect(episode: _Episode, signal: Signal, latest: _Seen) -> str:
    """Return what was there before and is now, in how long, and with how many devices."""
    began = episode.began
    words, _ = _COUNTED.get(episode.taken, ("", _none))
    many = f", {number(latest.total - began.total)} {words}" if latest.total > began.total else ""
    told = f"{_read(signal, began.seen)} -> {_read(signal, latest.seen)}"
    return f"{told} in {duration(latest.now - began.now)}{many}"


def _read(signal: Signal, seen: Seen) -> str:
    match signal:
        case Signal.MEMORY:
            share = seen.memory_share
            return "unknown" if share is None else f"{100 * share:.0f} % of memory"
        case Signal.QUEUED:
            return f"{seen.queued_bytes / _MB:.1f} MB queued"
        case _:
            return f"{seen.lag_s * 1_000:.0f} ms of lag"


def _none(_node: Node) -> float:
    return 0.0
