"""What a node sees to each second: part after part, and one that fails keeps no other from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.monitor.alerts.incidents import Incident
from keepline.monitor.heap import give_back, settle

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.node import Node

MOST_UNWELL = 8


class Upkeep:
    """The parts of one node that want to be called about once a second."""

    __slots__ = ("_giving_back", "_node", "_stalls_seen", "_unwell")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._unwell = self._stalls_seen = 0
        self._giving_back: asyncio.Future[None] | None = None

    def each_second(self) -> None:
        """Call every part; what one raises is told."""
        node = self._node
        for part in (
            self._mind_the_log,
            node.memory.each_second,
            self._mind_the_heap,
            self._end_an_incident,
            node.turns.each_second,
            lambda: node.isolation.each_second(node.ticker.now),
            node.gate.each_second,
            node.drain.each_second,
            lambda: node.expiries.each_second(node.clock.wall()),
            self._mind_the_presence,
            lambda: node.arrivals.each_second(node.ticker.now),
            self._judge_ourselves,
            self._tune,
            node.knobs.each_second,
        ):
            try:
                part()
            except Exception as error:  # noqa: BLE001 (each part is fenced)
                node.isolation.faults.of_ours(error, "upkeep_failed")

    def _mind_the_log(self) -> None:
        """Report storms that are over."""
        node = self._node
        node.log.flush()
        node.counters.log_lines_lost = node.log.lost

    def _mind_the_heap(self) -> None:
        node = self._node
        heap, sessions = node.heap, len(node.registry)
        if heap is None:
            return
        if heap.has_grown(sessions):
            settle()
        if heap.is_due(sessions):
            self._giving_back = node.loop.run_in_executor(node.executor, give_back, sessions)

    def _end_an_incident(self) -> None:
        node = self._node
        if node.breaker.settle(node.ticker.now):
            node.log.warning("mass_suspicion_over", connections=len(node.registry))
            node.incidents.cleared(Incident.MASS_SUSPICION)

    def _mind_the_presence(self) -> None:
        if self._node.presence is not None:
            self._node.presence.each_second(self._node.ticker.now)

    def _judge_ourselves(self) -> None:
        """While our own loop is unwell every answer is given more time (Lifeguard, DSN 2018)."""
        stalls = self._node.counters.loop_stalls
        change = 1 if stalls > self._stalls_seen else -1
        self._unwell = min(MOST_UNWELL, max(0, self._unwell + change))
        self._stalls_seen = stalls
        self._node.judge.stretch = 1.0 + self._unwell

    def _tune(self) -> None:
        if self._node.tuning is not None:
            self._node.tuning.each_second()
