"""Watches over the dead: nobody who is silent for good may be kept longer than was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.simulation.oracle.hearts import CALM_RTT_S
from keepline.simulation.violation import ViolationError

if TYPE_CHECKING:
    from keepline.simulation.host import Host, Life
    from keepline.simulation.oracle.oracle import Oracle
    from keepline.simulation.plug import Tcp
    from keepline.simulation.timeline import Timeline
    from keepline.simulation.transport import HostTransport

AFTER_S: Final = 0.05  # the bound, what has to have happened is looked at
AGAIN_S: Final = 30.0
UNWELL_S: Final = 30.0
"""A stall has every answer waited for longer, for as long as this."""

UNHEARD_S: Final = 120.0
"""More for whom the gateway does not listen to at first: it is judged by what it reads instead."""


class DeathWatch:
    """Looks at each connection whose device has died when its time is over."""

    def __init__(self, timeline: Timeline, host: Host, oracle: Oracle) -> None:
        self._timeline = timeline
        self._host = host
        self._oracle = oracle

    def begin(self, tcp: Tcp) -> None:
        """The device of that connection has just died."""
        if tcp.host is not None:
            self._timeline.at(self._timeline.now + self._most_s(tcp, tcp.host), self._look, tcp)

    def _look(self, tcp: Tcp) -> None:
        transport, life = tcp.host, self._host.life
        if transport is None or transport.ended_as or transport.is_lost or life is None:
            return
        if tcp.is_answered:
            return  # the device is back, and says that it knows nothing of it
        now = self._timeline.now
        silent_s = now - transport.last_read - transport.stalled_s(transport.last_read)
        most_s = self._most_s(tcp, transport)
        if life.node.counters.mass_suspicions or life.node.draining:
            return  # the breaker holds verdicts back, or all are leaving
        if silent_s < most_s:
            self._timeline.at(now + max(AFTER_S, most_s - silent_s), self._look, tcp)
        elif not transport.is_heard and silent_s < most_s + UNHEARD_S:
            self._timeline.at(now + AGAIN_S, self._look, tcp)
        else:
            self._oracle.found(
                ViolationError(
                    "kept dead",
                    f"{transport.device_id} is silent for {silent_s:.2f} s,"
                    f" and nobody is kept longer than {most_s:.2f} s",
                )
            )

    def _most_s(self, tcp: Tcp, transport: HostTransport) -> float:
        bounds, life = self._oracle.bounds, self._host.life
        most_s = bounds.most_s()
        if life is not None and self._is_calm(tcp, transport, life):
            calm_s = bounds.calm_most_s(
                streams=tcp.was_streaming, is_probed=not tcp.kind.pongs and tcp.kind.mcp
            )
            most_s = min(most_s, calm_s)
        return most_s + AFTER_S

    def _is_calm(self, tcp: Tcp, transport: HostTransport, life: Life) -> bool:
        """Whether nothing has ever been slow here, so that the least patience is all there is."""
        died_at = tcp.died_at
        stalls = life.loop.stalls
        return (
            died_at is not None
            and tcp.answers > 0
            and tcp.path.troubled_at < tcp.opened_at
            and tcp.path.conditions.most_s <= CALM_RTT_S
            and transport.is_heard
            and not (stalls and stalls[-1][1] > min(tcp.opened_at, died_at - UNWELL_S))
        )
