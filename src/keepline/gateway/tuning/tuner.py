"""Chooses for each connection how its silence is judged, by where it comes from."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from keepline.gateway.throttle import address_key
from keepline.lifecycle.heartbeat import ASKED, IDLE_WAITS, PINGED, Judge
from keepline.lifecycle.intervals import Change, Way
from keepline.lifecycle.tries import Tries
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.lifecycle.heartbeat import Heartbeat, HeartbeatPolicy
    from keepline.lifecycle.profile import Profile

MOST_PREFIXES: Final = 16_384
"""Beyond them the one that was used longest ago is forgotten, and begins anew."""

UNHEARD: Final = frozenset(
    {
        CloseReason.HEARTBEAT_TIMEOUT,
        CloseReason.NETWORK_TIMEOUT,
        CloseReason.NETWORK_LOST,
        CloseReason.DEVICE_RESET,
        CloseReason.REPLACED,
    }
)
"""How the end of a way shows while an answer is awaited: none comes, or that of a router which
knows the connection no more, or the device has noticed and is back."""

FORGOTTEN: Final = "forgotten by an operator"

NEARLY: Final = 0.9
"""Of an interval: who is pinged in so long a silence was pinged by it."""


class Tuned(Protocol):
    """What is asked of a connection."""

    address: str
    heartbeat: Heartbeat
    last_activity: float
    last_sent: float

    @property
    def profile(self) -> Profile:
        """What kind of device it is."""


class Noted(NamedTuple):
    """A change, and of which prefix."""

    prefix: str
    change: Change


class Known(NamedTuple):
    """What was learned of a prefix: what survives, what kills (infinite for nothing), seconds.

    `since` is the time of its last change.
    """

    lo_s: float
    hi_s: float
    since: float


class Tuner:
    """One `Way` for each prefix, one `Judge` for each interval; no connection knows of either.

    `changes` are those since somebody took them; `tries` says who tries what.
    """

    __slots__ = ("_base", "_judges", "_most_s", "_policy", "_ways", "changes", "tries")

    def __init__(self, policy: HeartbeatPolicy, base: Judge, verdict_s: float) -> None:
        """`base` judges by `policy`; an idle device is given up `verdict_s` after its last byte."""
        self._policy = policy
        self._base = base
        self._most_s = policy.ping_every_s + verdict_s - policy.verdict_s
        self._judges: dict[float, Judge] = {}
        self._ways: OrderedDict[str, Way] = OrderedDict()
        self.changes: list[Noted] = []
        self.tries = Tries()

    def __len__(self) -> int:
        return len(self._ways)

    def judge_of(self, connection: Tuned, now: float) -> Judge:
        """Return who judges its silence now, and learn from the answer to its last ping.

        Called at each look at an idle device that answers pings; every other is the base's.
        """
        heartbeat = connection.heartbeat
        if heartbeat.means != PINGED or not heartbeat.packed or not connection.address:
            return self._base
        prefix = address_key(connection.address)
        way = self._way(prefix)
        interval_s = self._interval_s(prefix, way, connection)
        if _was_answered(connection, interval_s):
            self._survive(prefix, way, interval_s, now)
        next_s = way.next_s(self._most_of(connection))
        if next_s > way.lo_s:
            self.tries.begin(prefix, id(connection), next_s, now)
        return self._judge(self._interval_s(prefix, way, connection))

    def on_ended(
        self, connection: Tuned, reason: CloseReason, now: float, *, learns: bool = True
    ) -> None:
        """Learn from an end, if it was that of the way; somebody else may try then.

        `learns` is False while so many fall silent at once that it is hardly their ways.
        """
        prefix = address_key(connection.address)
        way = self._ways.get(prefix)
        if way is None:
            return
        heartbeat = connection.heartbeat
        if learns and reason in UNHEARD and heartbeat.packed and not heartbeat.streaming:
            interval_s = self._interval_s(prefix, way, connection)
            silent_s = self._silence_s(connection, interval_s)
            if heartbeat.last_rx < heartbeat.asked_at and silent_s >= NEARLY * way.lo_s:
                self._die(prefix, way, silent_s, now)
        tried = self.tries.of(prefix)
        if tried is not None and tried.number == id(connection):
            self.tries.end(prefix)

    def _survive(self, prefix: str, way: Way, interval_s: float, now: float) -> None:
        is_tried = interval_s > way.lo_s
        change = way.survive(interval_s, now)
        if change is not None:
            if is_tried:
                self.tries.survived(prefix)
            self._note(prefix, way, change, now)

    def _die(self, prefix: str, way: Way, silent_s: float, now: float) -> None:
        hi_s = way.hi_s
        change = way.die(silent_s, self._policy.ping_every_s, now)
        if change is None:
            return
        if way.hi_s < hi_s:
            self.tries.killed(prefix, now)
        self.tries.end(prefix)
        self._note(prefix, way, change, now)

    def stretch(self, by: float) -> None:
        """Lengthen every wait for an answer, as the base's is."""
        for judge in self._judges.values():
            judge.stretch = by

    def known(self) -> dict[str, Known]:
        """Return what was learned by prefix, the latest used last."""
        base_s = self._policy.ping_every_s
        return {
            prefix: Known(way.lo_s, way.hi_s, way.since)
            for prefix, way in self._ways.items()
            if way.lo_s != base_s or way.hi_s < inf
        }

    def recall(self, known: dict[str, Known]) -> None:
        """Take up what was learned in a former life."""
        for prefix, (lo_s, hi_s, since) in known.items():
            self._ways[prefix] = Way(lo_s, hi_s, died_at=since, since=since)
        self._forget()

    def forget(self, prefix: str) -> bool:
        """Have a prefix begin anew; False when nothing is known of it."""
        way = self._ways.pop(prefix, None)
        self.tries.end(prefix)
        if way is None:
            return False
        self.changes.append(Noted(prefix, Change(way.lo_s, self._policy.ping_every_s, FORGOTTEN)))
        return True

    def _way(self, prefix: str) -> Way:
        way = self._ways.get(prefix)
        if way is None:
            way = self._ways[prefix] = Way(self._policy.ping_every_s)
            self._forget()
        self._ways.move_to_end(prefix)
        return way

    def _forget(self) -> None:
        while len(self._ways) > MOST_PREFIXES:
            prefix, _ = self._ways.popitem(last=False)
            self.tries.end(prefix)

    def _most_of(self, connection: Tuned) -> float:
        most_s = min(self._most_s, connection.profile.longest_silence_s)
        return max(most_s, self._policy.ping_every_s)

    def _interval_s(self, prefix: str, way: Way, connection: Tuned) -> float:
        tried = self.tries.of(prefix)
        if tried is not None and tried.number == id(connection):
            return tried.interval_s
        return min(way.lo_s, self._most_of(connection))

    def _silence_s(self, connection: Tuned, interval_s: float) -> float:
        """Return how long nothing had passed when what was sent was not answered any more.

        What was sent after the last sign of life has divided it, whether or not it came through.
        """
        heartbeat = connection.heartbeat
        silent_s = heartbeat.asked_at - heartbeat.last_rx
        if heartbeat.stage != ASKED:
            silent_s -= sum(IDLE_WAITS[:-1]) * self._policy.probe_min_s  # it was asked before
        sent_s = connection.last_sent - heartbeat.last_rx
        if 0.0 < sent_s < silent_s:
            silent_s = max(sent_s, silent_s - sent_s)
        return interval_s if silent_s >= NEARLY * NEARLY * interval_s else round(silent_s, 1)

    def _judge(self, interval_s: float) -> Judge:
        if interval_s == self._policy.ping_every_s:
            return self._base
        judge = self._judges.get(interval_s)
        if judge is None:
            later_s = interval_s - self._policy.ping_every_s
            policy = replace(
                self._policy,
                interval_s=interval_s,
                jitter=self._policy.jitter * self._policy.ping_every_s / interval_s,
                suspicious_s=self._policy.suspicious_s + later_s,
                zombie_s=self._policy.zombie_s + later_s,
            )
            judge = self._judges[interval_s] = Judge(policy)
            judge.stretch = self._base.stretch
        return judge

    def _note(self, prefix: str, way: Way, change: Change, now: float) -> None:
        way.since = now
        self.changes.append(Noted(prefix, change))


def _was_answered(connection: Tuned, interval_s: float) -> bool:
    """Return whether its last ping ended a silence of that length in both directions, and life.

    The first ping comes earlier, and what is sent or said in between holds a way open, too. A
    keepalive leaves in the same moment as a ping.
    """
    heartbeat = connection.heartbeat
    since = heartbeat.asked_at - NEARLY * NEARLY * interval_s
    return (
        heartbeat.stage == ASKED
        and heartbeat.last_rx >= heartbeat.asked_at
        and heartbeat.pings > 1
        and (connection.last_sent <= since or connection.last_sent == heartbeat.asked_at)
        and connection.last_activity <= since
    )
