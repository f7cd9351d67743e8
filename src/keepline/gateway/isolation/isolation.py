"""The isolation of one node: everything that is looked at once a second, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import json

from keepline.errors import SuspendedError
from keepline.gateway.fence import Fence
from keepline.gateway.isolation.budgets import Budgets
from keepline.gateway.isolation.deadlines import Deadlines
from keepline.gateway.isolation.faults import Faults
from keepline.gateway.isolation.leaks import Leaks
from keepline.gateway.isolation.parting import Callbacks, Gone
from keepline.gateway.isolation.places import fence_codes
from keepline.gateway.isolation.strays import Strays
from keepline.gateway.isolation.suspensions import Suspensions
from keepline.gateway.isolation.tracing import Tracing
from keepline.gateway.isolation.watchdog import Watchdog
from keepline.gateway.session import Session
from keepline.lifecycle.faults import Source, strategy_of
from keepline.monitor.alerts.incidents import Fact, Incident

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from keepline.errors import HandlerError
    from keepline.gateway.connection import Connection
    from keepline.gateway.node import Node
    from keepline.reasons import CloseReason

BLOCKED_FOR_S: Final = 300.0
"""For so long after the last time somebody counts as one who holds the loop up."""


class Isolation:
    """Keeps what a handler does from everybody else's session, and nothing for an idle one."""

    __slots__ = (
        "_node",
        "budgets",
        "callbacks",
        "deadlines",
        "faults",
        "leaks",
        "strays",
        "suspensions",
        "tracing",
        "watchdog",
    )

    def __init__(self, node: Node) -> None:
        limits = node.settings.isolation
        self._node = node
        self.faults = Faults(node)
        self.deadlines = Deadlines(self.faults, limits.call_timeout_s, node.counters.calls)
        self.suspensions = Suspensions(node)
        self.budgets = Budgets(limits)
        self.strays = Strays(node)
        self.callbacks = Callbacks(node)
        self.leaks = Leaks(node)
        self.tracing = Tracing()
        self.watchdog = Watchdog(
            node.log,
            node.clock,
            lambda: node.ticker.last_beat,
            fence_codes(Fence.call, Fence.call_with, Fence.wait),
            loop_thread=node.loop_thread,
            blocked_after_s=limits.blocked_after_s,
        )

    def start(self) -> None:
        """Watch the loop from now on, and memory where that is wanted."""
        self.watchdog.start()
        if self._node.settings.isolation.trace_memory:
            self.tracing.start()

    def stop(self) -> None:
        """Watch no more; idempotent."""
        self.watchdog.stop()
        self.tracing.stop()

    def each_second(self, now: float) -> None:
        """Look at what has taken too long, at what should have ended, at what grows."""
        for part in (self.deadlines, self.suspensions, self.strays, self.leaks):
            try:
                part.each_second(now)
            except Exception as error:  # noqa: BLE001 (one part keeps no other from its turn)
                self.faults.of_ours(error, "upkeep_failed")
        self.budgets.each_second()
        self.faults.each_second()

    def on_stall(self, lost_s: float) -> None:
        """The loop stood still: say for how long, and who was seen on it."""
        node = self._node
        culprit = self.watchdog.take_culprit(lost_s)
        told = {} if culprit is None else culprit.told()
        node.log.warning("loop_stalled", lost_s=round(lost_s, 3), **told)
        if culprit is not None and lost_s >= node.settings.isolation.blocked_after_s:
            about = {"lost_s": round(lost_s, 3), **told}
            node.hub.emit(culprit.device_id.lower(), "loop_blocked", json.encode(about))
            whose = culprit.handler or culprit.at
            limit_s = node.settings.isolation.blocked_after_s
            fact = Fact(f"the loop stood still for {lost_s:.1f} s in {whose}", lost_s, limit_s)
            until = node.ticker.now + BLOCKED_FOR_S
            node.incidents.raised(Incident.LOOP_BLOCKED, fact, whose, until)

    def not_begun(self, error: HandlerError, device_id: str, address: str) -> None:
        """A session could not be begun: its handler was not made, or none of its kind is."""
        if isinstance(error, SuspendedError):
            return
        node, fault = self._node, strategy_of(error.__cause__ or error).fault
        node.counters.handler_failures += 1
        node.counters.faults[fault, Source.HANDLER] += 1
        node.log.error("handler_failed", error=error, fault=fault, device_id=device_id)
        self.suspensions.failed(node.make_handler, device_id, address)

    def gone(self, connection: Connection, reason: CloseReason) -> Awaitable[None] | None:
        """A session was cleaned up: forget it, and tell who wants to know."""
        session = connection.receiver
        if not isinstance(session, Session):
            return None
        self.faults.forget(session)
        self.budgets.forget(session)
        if not self.callbacks:
            return None
        age_s = round(self._node.ticker.now - session.opened_at, 1)
        detail = connection.lifecycle.detail
        return self.callbacks.call(
            Gone(session.device_id, session.session_id, reason, detail, age_s)
        )
