"""The tuner of a node: what it has changed is an event, and what it knows outlives the process."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import DecodeError, Struct, json

from keepline.errors import HubDownError
from keepline.gateway.tuning.tuner import Known, Tuner

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection
    from keepline.gateway.node import Node
    from keepline.gateway.tuning.tuner import Noted

MEMO: Final = "tuning"
EVENT: Final = "tuned"
WHAT: Final = "ping interval"
EACH_S: Final = 60
"""Between two events, and between two memos that are written."""

MOST_TOLD: Final = 200
"""So many changes are in one event: 20 KB. As soon as there are more, they are told at once."""

SLOWLY: Final = 4
"""Under pressure what can wait so many times as long does."""

MOST_KEPT: Final = 4_096
"""So many prefixes are written down, those that were used last: 300 KB at most."""


class _Kept(Struct):
    """What survives and what kills, None for nothing yet; since when, in Unix time."""

    lo_s: float
    hi_s: float | None
    since: float | None = None


class Learned(NamedTuple):
    """What is known of a prefix; see `Known`. `tried_s` is what one of its devices tries now.

    `since` is in Unix time.
    """

    prefix: str
    interval_s: float
    tried_s: float | None
    killed_s: float | None
    since: float


class Tuning:
    """Of a node whose settings let it learn."""

    __slots__ = ("_is_unread", "_node", "_rest_s", "tuner")

    def __init__(self, node: Node, verdict_s: float) -> None:
        self._node = node
        self._rest_s = EACH_S
        self._is_unread = False  # what a former life has learned: it is not written over then
        self.tuner = Tuner(node.settings.heartbeat, node.judge, verdict_s)

    def ask(self, connection: Connection) -> None:
        """Something was sent to a device: ask it at once whether it is there, if it was silent.

        Where intervals are long that is sooner than its next ping by minutes.
        """
        node, now = self._node, self._node.ticker.now
        heartbeat = connection.heartbeat
        if now - heartbeat.last_rx < node.settings.heartbeat.ping_every_s:
            return
        if connection.lifecycle.reason is None and node.judge.hasten(heartbeat, now):
            node.wheel.arm_by(connection, now)

    async def recall(self) -> None:
        """Take up what a former life has learned."""
        node = self._node
        try:
            memo = await node.hub.memo(MEMO)
            known = {} if memo is None else json.decode(memo, type=dict[str, _Kept])
        except (HubDownError, DecodeError) as error:
            node.log.warning("tuning_unreadable", error=error)
            self._is_unread = isinstance(error, HubDownError)
            return
        ahead_s, now = self._ahead_s(), node.ticker.now
        found = {
            prefix: Known(
                each.lo_s,
                inf if each.hi_s is None else each.hi_s,
                now if each.since is None else min(now, each.since - ahead_s),  # clocks are set
            )
            for prefix, each in known.items()
        }
        self.tuner.recall(found)

    def learned(self) -> list[Learned]:
        """Return what is known by prefix, the latest used first."""
        ahead_s = self._ahead_s()
        known = self.tuner.known()
        return [
            Learned(
                prefix,
                each.lo_s,
                None if (tried := self.tuner.tries.of(prefix)) is None else tried.interval_s,
                None if each.hi_s == inf else each.hi_s,
                each.since + ahead_s,
            )
            for prefix, each in reversed(known.items())
        ]

    def forget(self, prefix: str) -> bool:
        """Have a prefix begin anew, which is told and written down; False for one not known."""
        if not self.tuner.forget(prefix):
            return False
        self.tell()
        return True

    def each_second(self) -> None:
        """Pass on how unwell we are; each minute tell what has changed, and write it down."""
        self.tuner.stretch(self._node.judge.stretch)
        self._rest_s -= 1
        if self._rest_s <= 0 or len(self.tuner.changes) >= MOST_TOLD:
            self._rest_s = EACH_S * (SLOWLY if self._node.governor.is_slow else 1)
            self.tell()

    def tell(self) -> None:
        """Tell what has changed since the last time, and write down what is known."""
        changes, self.tuner.changes = self.tuner.changes, []
        if not changes:
            return
        for first in range(0, len(changes), MOST_TOLD):
            self._emit(changes[first : first + MOST_TOLD])
        self._node.log.info(EVENT, changes=len(changes), prefixes=len(self.tuner))
        if not self._is_unread:
            self._keep()

    def _emit(self, changes: list[Noted]) -> None:
        told = [
            {"prefix": prefix, "before_s": before_s, "after_s": after_s, "reason": reason}
            for prefix, (before_s, after_s, reason) in changes
        ]
        self._node.hub.emit("", EVENT, json.encode({"what": WHAT, "changes": told}))

    def _keep(self) -> None:
        ahead_s = self._ahead_s()
        known = list(self.tuner.known().items())[-MOST_KEPT:]
        kept = {
            prefix: _Kept(each.lo_s, None if each.hi_s == inf else each.hi_s, each.since + ahead_s)
            for prefix, each in known
        }
        self._node.hub.keep_memo(MEMO, json.encode(kept))

    def _ahead_s(self) -> float:
        """Return how far Unix time is ahead of that of devices' silence."""
        return self._node.clock.wall() - self._node.ticker.now
