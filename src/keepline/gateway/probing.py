"""Data messages the gateway sends by itself: they keep a channel, or ask for a sign of life.

Stock firmware gives its channel up after 120 s without a data message; pings do not count there.
What is sent is life and no activity on either side: no handler is told of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.wire.frames import ping_frame, text_frame
from keepline.wire.probe import UNANSWERED, probe_text

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection

# Probes of the heartbeat count from 1; the answer to number 0 is no round trip.
_KEEPALIVE: Final = text_frame(probe_text(0))
_UNANSWERED: Final = text_frame(UNANSWERED)

_GOLDEN: Final = (5**0.5 - 1) / 2  # its multiples, taken modulo one, never come close together


def ask(connection: Connection, payload: bytes) -> None:
    """Ask a peer of which it is not known that it pongs; `payload` is the ping's."""
    heartbeat = connection.heartbeat
    counters = connection.node.counters
    if heartbeat.is_pinged:
        counters.pings_sent += 1
        connection.transport.write(ping_frame(payload))
    if heartbeat.is_probed:
        counters.probes_sent += 1
        connection.send(text_frame(probe_text(heartbeat.pings)))


def keep_channel(connection: Connection, now: float, due: float) -> float:
    """Send a keepalive if it is time, and return when to look again: `due`, or sooner.

    Where intervals are learned it leaves with the last ping before its time: silences are whole,
    and the device is woken once.
    """
    profile, last_sent = connection.profile, connection.last_sent
    if connection.node.tuning is None:
        # Claims are numbers in the order of arrival: those who came together are spread evenly.
        share = connection.receiver.claim * _GOLDEN % 1.0
        is_time = now >= profile.keepalive_due(last_sent, share)
    else:
        share = 0.0  # pings are spread
        keepalive_due = profile.keepalive_due(last_sent, share)
        is_pinged = connection.heartbeat.asked_at == now
        is_time = now >= keepalive_due or (is_pinged and due > keepalive_due)
    if is_time:
        connection.node.counters.keepalives_sent += 1
        connection.send(_KEEPALIVE if connection.receiver.speaks_mcp else _UNANSWERED)
    return min(due, profile.keepalive_due(connection.last_sent, share))


def receive_answer(connection: Connection, number: int) -> None:
    """A probe's answer: life, and a round trip when it is the one that is awaited."""
    node = connection.node
    node.counters.probes_answered += 1
    if number:
        rtt_s = connection.heartbeat.receive_answer(number, node.ticker.precise())
        if rtt_s is not None:
            node.counters.rtt.observe(rtt_s)
