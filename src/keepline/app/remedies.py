"""What Keepline does by itself about whatever an alert can be about, beside the governor.

docs/alerts.md has this table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.alerts.alert import INCIDENT
from keepline.monitor.alerts.incidents import Incident
from keepline.monitor.findings import Kind
from keepline.monitor.gauges import Gauge
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keepline.gateway.node import Node

    Count = Callable[[Node], float]

_MB: Final = 1_048_576


class Remedy(NamedTuple):
    """Something that is done, and how much of it: totals that only grow, by what they are of.

    It is told once a total has grown since the alert began, or `always`; `now` is how it stands.
    """

    action: str
    counts: Mapping[str, Count]
    always: bool = False
    now: Callable[[Node], str] | None = None


def _ended(*reasons: CloseReason) -> Count:
    return lambda node: sum(node.counters.disconnects[reason] for reason in reasons)


def _held(node: Node) -> float:
    return sum(node.counters.holds.values())


_FULL: Final = (
    Remedy("devices are turned away with 503", {"turned away": _ended(CloseReason.FULL)}),
)
_QUEUES: Final = (
    Remedy(
        "audio that waits for too long is dropped, no message is",
        {
            "frames dropped": lambda node: (
                node.counters.inbox_audio_dropped + node.counters.outbox_audio_dropped
            )
        },
    ),
    Remedy(
        "devices whose queue is full are closed",
        {"closed": _ended(CloseReason.INBOX_OVERFLOW, CloseReason.OUTBOX_OVERFLOW)},
    ),
)
_FLOODS: Final = (
    Remedy(
        "who sends too much is not read for the rest of a second",
        {"times": lambda node: node.counters.peers_held_back},
    ),
)
_TOO_OFTEN: Final = (
    Remedy("who comes and goes without end is held up", {"held up": _held}),
    Remedy(
        "who comes too often is refused with 429",
        {
            "refused": _ended(
                CloseReason.RATE_LIMITED, CloseReason.ADDRESS_FULL, CloseReason.FLAPPING
            )
        },
    ),
)


def _of_writing(node: Node) -> str:
    writing = node.hub.writing()
    waiting = f"{writing.waiting:,} writes of {writing.waiting_bytes / _MB:.1f} MB wait"
    return f"{waiting}, {writing.events_lost:,} events lost since the start"


REMEDIES: Final[Mapping[tuple[str, str], tuple[Remedy, ...]]] = {
    (Gauge.CPU_PERCENT, Kind.THRESHOLD): _FLOODS,
    (Gauge.CONNECTIONS, Kind.THRESHOLD): _FULL,
    (Gauge.CONNECTIONS, Kind.TREND): _FULL,
    (Gauge.QUEUE_DEPTH, Kind.THRESHOLD): _QUEUES + _FLOODS,
    (Gauge.QUEUE_DEPTH, Kind.TREND): _QUEUES + _FLOODS,
    (Gauge.DESCRIPTORS, Kind.TREND): _FULL,
    (Gauge.DISCONNECTS_PER_S, Kind.ANOMALY): _TOO_OFTEN,
    (Gauge.HANDSHAKE_FAILURES_PER_S, Kind.ANOMALY): _TOO_OFTEN,
    (Incident.MASS_SUSPICION, INCIDENT): (
        Remedy(
            "no more than 1 % of the devices are given up in a second",
            {
                "more suspected": lambda node: node.counters.suspicions,
                "given up": lambda node: node.counters.verdicts,
            },
            always=True,
        ),
    ),
    (Incident.LOOP_BLOCKED, INCIDENT): (
        Remedy(
            "the time that the loop stood still is held against no device",
            {
                "more stalls": lambda node: node.counters.loop_stalls,
                "s of standing still": lambda node: node.counters.loop_stalled_s,
            },
            always=True,
        ),
    ),
    (Incident.HANDLER_SUSPENDED, INCIDENT): (
        Remedy(
            "devices are refused and told when to come again, and now and then a few are let in"
            " to see",
            {"refused": _ended(CloseReason.HANDLER_UNAVAILABLE, CloseReason.HANDLER_SUSPENDED)},
            always=True,
        ),
    ),
    (Incident.STORE_AWAY, INCIDENT): (
        Remedy(
            "what is to be written waits in memory and is tried again",
            {},
            always=True,
            now=_of_writing,
        ),
    ),
    (Incident.CLUSTER_AWAY, INCIDENT): (
        Remedy(
            "what is to be written waits and is tried again, and who comes is told to come back",
            {"refused": _ended(CloseReason.CLUSTER_UNAVAILABLE, CloseReason.CLUSTER_AWAY)},
            always=True,
        ),
    ),
    (Incident.OUT_OF_DESCRIPTORS, INCIDENT): (_FULL[0]._replace(always=True),),
    (Incident.KICK_WAR, INCIDENT): (
        Remedy(
            "who has the device keeps it, and the other is refused with 409",
            {"refused": _ended(CloseReason.KICK_WAR)},
            always=True,
        ),
    ),
    (Incident.BANS, INCIDENT): (
        Remedy(
            "they are refused with 429 until their ban is over",
            {"refused": _ended(CloseReason.FLAPPING)},
            always=True,
        ),
    ),
    (Incident.LEAK, INCIDENT): (
        Remedy(
            "sessions that have more tasks or timers than `isolation` allows are ended",
            {"ended": _ended(CloseReason.HANDLER_OVER_BUDGET)},
        ),
    ),
    (Incident.WORKER_ENDED, INCIDENT): (
        Remedy(
            "another process was started in its place, and its devices come back to any worker",
            {"devices let in here": lambda node: node.counters.sessions_opened},
            always=True,
        ),
    ),
    (Incident.UPSTREAM_AWAY, INCIDENT): (
        Remedy(
            "devices are sent to those that are well, or to all where too few are, and it is"
            " tried now and then",
            {
                "refused as none took them": _ended(CloseReason.UPSTREAM_UNAVAILABLE),
                "ended as theirs was lost": _ended(CloseReason.UPSTREAM_LOST),
            },
            always=True,
        ),
    ),
}


def _of_round_trips(node: Node) -> str:
    if node.settings.heartbeat.preset == "seed":
        return "silence is judged by fixed times (`heartbeat.preset` is seed)"
    stretch = node.judge.stretch
    own = f", and {stretch:.0f} times that while our own loop is late" if stretch > 1 else ""
    return f"each device has as long to answer as its own round trips ask for{own}"


UNDONE: Final[Mapping[tuple[str, str], Callable[[Node], str]]] = {
    (Gauge.CONNECTIONS, Kind.THRESHOLD): lambda node: (
        f"there is room up to {node.settings.server.max_connections:,} (`server.max_connections`)"
    ),
    (Gauge.CONNECTIONS, Kind.TREND): lambda node: (
        f"there is room up to {node.settings.server.max_connections:,} (`server.max_connections`)"
    ),
    (Gauge.DESCRIPTORS, Kind.TREND): lambda _: "nobody is turned away before there are none left",
    (Gauge.DISCONNECTS_PER_S, Kind.ANOMALY): lambda _: (
        "who comes back is let in, and nobody came so often that it had to be held up"
    ),
    (Gauge.RTT_P50_S, Kind.ANOMALY): _of_round_trips,
    (Gauge.HANDSHAKE_FAILURES_PER_S, Kind.ANOMALY): lambda _: (
        "each is refused by itself, and nobody came so often that it had to be held up"
    ),
    (Incident.LEAK, INCIDENT): lambda _: (
        "what a handler has begun is its own, as long as `isolation` allows as much"
    ),
    (Incident.CERTIFICATE_EXPIRES, INCIDENT): lambda _: (
        "a certificate is renewed elsewhere; its files are looked at once a minute"
    ),
}
"""Why nothing is done, where nothing always is, or nothing has grown."""
