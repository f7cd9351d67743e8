"""Counts the sessions of a node by state and health, and what waits in their queues."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from keepline.lifecycle.heartbeat import SUSPECTED, Verdict
from keepline.lifecycle.states import State
from keepline.monitor.gauges import Gauge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

SLICE: Final = 250
"""So many are looked at in a turn of the loop: less than 0.1 ms."""

PAUSE_S: Final = 0.002
"""Between two turns: work in one piece has the system give the core to somebody else."""

_ACTIVE, _IDLE = State.ACTIVE, State.IDLE
_HEALTHY, _ZOMBIE = Verdict.HEALTHY, Verdict.ZOMBIE


class Census:
    """One count of all sessions; who comes or goes meanwhile is counted or not."""

    __slots__ = (
        "active",
        "idle",
        "outbox_bytes",
        "outbox_depth",
        "suspicious",
        "talking",
        "zombies",
    )

    def __init__(self) -> None:
        self.active = self.idle = self.talking = 0
        self.suspicious = self.zombies = 0
        self.outbox_depth = self.outbox_bytes = 0

    def count(self, sessions: Sequence[Session], lately: float) -> None:
        """Count these in. No session keeps numbers for this: looking costs it no byte.

        Who has said or been told something since `lately`, beyond the hellos, talks.
        """
        for session in sessions:
            connection = session.connection
            state = connection.lifecycle.state
            if state is _IDLE:
                self.idle += 1
            elif state is _ACTIVE:
                self.active += 1
            # Also of the idle, who may be that since a moment ago.
            last = max(connection.last_activity, connection.last_sent)
            self.talking += last >= lately and last > session.opened_at
            heartbeat = connection.heartbeat
            if heartbeat.stage >= SUSPECTED and (verdict := heartbeat.verdict) is not _HEALTHY:
                self.zombies += verdict is _ZOMBIE
                self.suspicious += verdict is not _ZOMBIE
            outbox = connection.outbox
            if outbox is not None:
                self.outbox_depth += len(outbox)
                self.outbox_bytes += outbox.size_bytes


async def look_around(node: Node) -> dict[Gauge, float | None]:
    """Return what a node is like now, by gauge; others have their turns in between."""
    census = Census()
    lately = node.ticker.now - node.settings.monitor.interval_s
    sessions = list(node.registry)
    cpu, took_s = node.clock.thread_cpu, 0.0
    for begin in range(0, len(sessions), SLICE):
        if begin:
            await asyncio.sleep(PAUSE_S)
        began_s = cpu()
        census.count(sessions[begin : begin + SLICE], lately)
        took_s += cpu() - began_s
    node.knobs.pace.note(took_s)
    inboxes = list(node.seldom.inboxes.values())
    inbox_depth, inbox_bytes = sum(map(len, inboxes)), sum(each.size_bytes for each in inboxes)
    return {
        Gauge.CONNECTIONS: len(node.registry),
        Gauge.ACTIVE_CONNECTIONS: census.active,
        Gauge.TALKING_CONNECTIONS: census.talking,
        Gauge.IDLE_CONNECTIONS: census.idle,
        Gauge.SUSPICIOUS_CONNECTIONS: census.suspicious,
        Gauge.ZOMBIE_CONNECTIONS: census.zombies,
        Gauge.INBOX_DEPTH: inbox_depth,
        Gauge.INBOX_BYTES: inbox_bytes,
        Gauge.OUTBOX_DEPTH: census.outbox_depth,
        Gauge.OUTBOX_BYTES: census.outbox_bytes,
        Gauge.QUEUE_DEPTH: inbox_depth + census.outbox_depth,
        Gauge.QUEUE_BYTES: inbox_bytes + census.outbox_bytes,
        Gauge.ADMISSIONS: len(node.arrivals.admissions),
        Gauge.DEPARTURES: len(node.cleanups) + len(node.departures),
        Gauge.LOG_DEPTH: node.log.waiting,
        Gauge.LOG_BYTES: node.log.waiting_bytes,
        Gauge.LOOP_LAG_MAX_S: node.ticker.take_worst_lag_s(),
    }
