"""The tuner of a node: what it has changed is an event, and what it knows outlives the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import DecodeError, Struct, json

from keepline.errors import HubDownError
from keepline.gateway.tuning.tuner import Tuner

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection
    from keepline.gateway.node import Node

MEMO: Final = "tuning"
EVENT: Final = "tuned"
EACH_S: Final = 60
"""Between two events, and between two memos that are written."""

MOST_TOLD: Final = 50
"""So many changes are in one event; of more, their number."""

MOST_KEPT: Final = 4_096
"""So many prefixes are written down, those that were used last: 200 KB at most."""


class _Kept(Struct):
    """What survives and what kills, None for nothing yet; seconds."""

    lo_s: float
    hi_s: float | None


class Tuning:
    """Of a node whose settings let it learn."""

    __slots__ = ("_node", "_rest_s", "tuner")

    def __init__(self, node: Node, verdict_s: float) -> None:
        self._node = node
        self._rest_s = EACH_S
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
            return
        found = {
            prefix: (each.lo_s, float("inf") if each.hi_s is None else each.hi_s)
            for prefix, each in known.items()
        }
        self.tuner.recall(found, node.ticker.now)

    def each_second(self) -> None:
        """Pass on how unwell we are; each minute tell what has changed, and write it down."""
        self.tuner.stretch(self._node.judge.stretch)
        self._rest_s -= 1
        if self._rest_s <= 0:
            self._rest_s = EACH_S
            self.tell()

    def tell(self) -> None:
        """Tell what has changed since the last time, and write down what is known."""
        changes, self.tuner.changes = self.tuner.changes, []
        if not changes:
            return
        told: dict[str, Any] = {
            "changes": [
                {"prefix": prefix, "before_s": before_s, "after_s": after_s, "reason": reason}
                for prefix, (before_s, after_s, reason) in changes[:MOST_TOLD]
            ],
            "more": max(0, len(changes) - MOST_TOLD),
        }
        node = self._node
        node.hub.emit("", EVENT, json.encode(told))
        node.log.info(EVENT, changes=len(changes), prefixes=len(self.tuner))
        known = list(self.tuner.known().items())[-MOST_KEPT:]
        kept = {
            prefix: _Kept(lo_s, None if hi_s == float("inf") else hi_s)
            for prefix, (lo_s, hi_s) in known
        }
        node.hub.keep_memo(MEMO, json.encode(kept))
