"""Looks at the node four times a second, and has done what its pressure asks for."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import json

from keepline.gateway.governor.actions import BY_WORD, Action, Ladder
from keepline.gateway.governor.backlogs import Backlogs
from keepline.gateway.governor.crowd import Crowd
from keepline.gateway.governor.newcomers import Newcomers
from keepline.gateway.governor.orders import Order, Orders
from keepline.gateway.governor.relief import Relief
from keepline.gateway.governor.signals import Ranges, Seen, Signal
from keepline.gateway.governor.turnstile import Turnstile
from keepline.monitor.process.resident import Resident

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from typing import Any

    from keepline.gateway.governor.actions import Change
    from keepline.gateway.node import Node

EACH_S: Final = 0.25

MOST_COUNTED: Final = 2_000
"""So many queues are added up in a look; of more, as many stand for all."""

QUIET: Final = dict.fromkeys(Signal, 0.0)


class Governor:
    """The one owner of what is done under pressure; `taken` is what is done now, and how strongly.

    `orders` take the place of the signals as long as they stand; `off` is not done in any case.
    """

    __slots__ = (
        "_handle",
        "_ladder",
        "_node",
        "_ranges",
        "_relief",
        "_resident",
        "backlogs",
        "begun",
        "crowd",
        "newcomers",
        "off",
        "on_change",
        "orders",
        "pressures",
        "seen",
        "since",
        "taken",
        "turnstile",
    )

    def __init__(self, node: Node) -> None:
        settings = node.settings.governor
        self._node = node
        self._ladder = Ladder()
        self._ranges = Ranges.of(settings)
        self._relief = Relief(node)
        self._resident = Resident()
        self._handle: asyncio.TimerHandle | None = None
        self.backlogs = Backlogs()
        self.taken = self._ladder.taken
        self.newcomers = Newcomers(node, self.taken)
        self.crowd = Crowd(node.loop, node.clock.thread_cpu, bounded=settings.enabled)
        self.crowd.on_turn = self._let_in
        self.turnstile = Turnstile(node, self.newcomers, self.crowd)
        self.orders = Orders()
        self.off = {BY_WORD[word] for word in settings.disabled}
        if not settings.enabled:
            self.off = set(Action)
        self.pressures: Mapping[Signal, float] = QUIET
        self.seen = Seen(0.0, None, 0, 0.0)
        self.begun = dict.fromkeys(Action, 0)
        self.on_change: Callable[[Change], None] | None = None
        """Called of what begins and ends, with `seen` as it is then."""
        self.since: dict[Action, float] = {}  # attentive time

    @property
    def pressure(self) -> float:
        """How pressed the node is, from 0 to 1, whatever is forced."""
        return max(self.pressures.values())

    @property
    def shed(self) -> int:
        """How many idle devices were sent away since the start."""
        return self._relief.shed

    @property
    def refuses_all(self) -> bool:
        """Whether nobody is let in."""
        return Action.NONE in self.taken

    @property
    def is_slow(self) -> bool:
        """Whether what can wait should: looks at ourselves, above all."""
        return Action.SLOW in self.taken

    def start(self) -> None:
        """Look from now on, until `stop`."""
        self._handle = self._node.loop.call_later(EACH_S, self._again)

    def stop(self) -> None:
        """Look no more; idempotent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._resident.close()

    def force(
        self,
        pressure: float | None,
        action: Action | None = None,
        *,
        by: str = "",
        for_s: float | None = None,
    ) -> None:
        """Have the node act as if it was pressed so much, or do one action as if it was.

        With a pressure of None by its signals again. `for_s` is how long, None for until then; `by`
        is who says so.
        """
        until = None if for_s is None else self._node.clock.now() + for_s
        order = None if pressure is None else Order(pressure, by, until)
        self._order(action, order, by=by, for_s=for_s)
        self._decide()

    def switch(self, action: Action, *, on: bool) -> None:
        """Have an action taken when it is due, or in no case."""
        (self.off.discard if on else self.off.add)(action)
        told = {"action": action.word, "on": on}
        self._node.log.warning("governor_switched", **told)
        self._emit("governor_switched", told)
        self._decide()

    def look(self) -> None:
        """Look once, and act."""
        for action in self.orders.over(self._node.clock.now()):
            self._order(action, None, over=True)
        self._decide()
        self._relief.look(self.taken.get(Action.SHRINK), self.taken.get(Action.SHED), EACH_S)
        self._let_in()

    def _decide(self) -> None:
        """See how pressed the node is, and what is to be done from now on."""
        self.seen = seen = self._see()
        self.pressures = self._ranges.pressures(seen)
        changes = self._ladder.decide(
            self.pressures,
            self._node.ticker.now,
            forced=self.orders.pressures(),
            off=self.off,
        )
        for change in changes:
            self._on_change(change)

    def _order(self, action: Action | None, order: Order | None, **told: Any) -> None:
        before = self.orders.of(action)
        if before is None and order is None:
            return
        self.orders.put(action, order)
        told = {
            "action": None if action is None else action.word,
            "before": None if before is None else before.pressure,
            "after": None if order is None else order.pressure,
            **told,
        }
        self._node.log.warning("governor_forced", **told)
        self._emit("governor_forced", told)

    def _let_in(self) -> None:
        self.turnstile.look(self._node.clock.now())
        self.crowd.let_go_on()

    def _again(self) -> None:
        self._handle = self._node.loop.call_later(EACH_S, self._again)
        self.look()

    def _see(self) -> Seen:
        node = self._node
        return Seen(
            lag_s=node.ticker.lag_p95_s(),
            memory_share=self._resident.share_of_limit(node.ticker.now),
            queued_bytes=self._queued_bytes()
            + node.hub.writing().waiting_bytes
            + node.log.waiting_bytes,
            standing_s=self.turnstile.standing_s(node.clock.now()),
        )

    def _queued_bytes(self) -> int:
        there = len(self.backlogs)
        if not there:
            return 0
        counted = sum(each.size_bytes for each in islice(self.backlogs, MOST_COUNTED))
        return counted * there // min(there, MOST_COUNTED)

    def _on_change(self, change: Change) -> None:
        node, action = self._node, change.action
        if change.after is None:
            self.since.pop(action, None)
        else:
            self.begun[action] += 1
            self.since[action] = node.ticker.now
        if self.on_change is not None:
            self.on_change(change)
        told = {
            "action": action.word,
            "before": change.before,
            "after": change.after,
            "reason": change.reason,
            "pressure": round(self.orders.pressures().get(action, self.pressure), 3),
            **self.told(),
        }
        (node.log.info if change.after is None else node.log.warning)("governor", **told)
        self._emit("governor", told)

    def told(self) -> dict[str, float | None]:
        """Return what was seen, as it is told."""
        seen = self.seen
        share = seen.memory_share
        return {
            "lag_s": round(seen.lag_s, 3),
            "memory_share": None if share is None else round(share, 3),
            "queued_bytes": seen.queued_bytes,
            "standing_s": round(seen.standing_s, 3),
        }

    def _emit(self, kind: str, told: dict[str, Any]) -> None:
        self._node.hub.emit("", kind, json.encode(told))
