"""What has happened between two samples, out of numbers that only grow."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.gauges import Gauge
from keepline.monitor.process.reading import HUB, LOG, LOOP
from keepline.reasons import CloseReason, Initiator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepline.histogram import Histogram
    from keepline.hub.port import Writing
    from keepline.monitor.metrics import Counters
    from keepline.monitor.process.reading import Reading

_NORMAL: Final = frozenset(
    {
        CloseReason.DEVICE_CLOSED,
        CloseReason.DEVICE_SAID_CLOSE,
        CloseReason.HANDLER_CLOSED,
        CloseReason.REPLACED,
        CloseReason.TOKEN_EXPIRED,
        CloseReason.UPSTREAM_CLOSED,
    }
)
"""How a connection ends when nothing is wrong; and whatever an operator ends."""

_AT_THE_DOOR: Final = frozenset(
    {
        CloseReason.HELLO_TIMEOUT,
        CloseReason.HELLO_INVALID,
        CloseReason.TLS_FAILED,
        CloseReason.PROXY_HEADER_INVALID,
    }
)
"""Failures of a handshake that are no HTTP answer; all those are, but for an answered request."""

UNATTRIBUTED: Final = frozenset({CloseReason.INTERNAL_ERROR, CloseReason.NETWORK_LOST})
"""Reasons that stand for a cause nobody knows: a fault of ours, an error of the socket."""

_BY_INITIATOR: Final = {
    Initiator.DEVICE: Gauge.ENDED_BY_DEVICE_PER_S,
    Initiator.NETWORK: Gauge.ENDED_BY_NETWORK_PER_S,
    Initiator.US: Gauge.ENDED_BY_US_PER_S,
    Initiator.OPERATOR: Gauge.ENDED_BY_OPERATOR_PER_S,
    Initiator.UPSTREAM: Gauge.ENDED_BY_UPSTREAM_PER_S,
}


def failed_at_the_door(reason: CloseReason) -> bool:
    """Return whether this is a handshake that came to nothing."""
    refused = reason.status is not None and reason is not CloseReason.ANSWERED
    return refused or reason in _AT_THE_DOOR


def is_abnormal(reason: CloseReason) -> bool:
    """Return whether a connection that ends so should have gone on."""
    return (
        reason.status is None
        and reason.initiator is not Initiator.OPERATOR
        and reason not in _NORMAL
        and reason not in _AT_THE_DOOR
    )


def unattributed_share(endings: Mapping[CloseReason, int]) -> float | None:
    """Return the share of connections whose end has no known cause, None without any end."""
    ended = sum(count for reason, count in endings.items() if reason.status is None)
    unknown = sum(endings.get(reason, 0) for reason in UNATTRIBUTED)
    return unknown / ended if ended else None


class _Before(NamedTuple):
    at: float
    bytes_in: int
    bytes_out: int
    sessions_opened: int
    pings: int
    frames: int
    disconnects: dict[CloseReason, int]
    rtt: list[int]
    lag: list[int]
    writing: Writing


class Rates:
    """What the counters of a node have grown by since the last look. Times are monotonic."""

    def __init__(self, counters: Counters, now: float, writing: Writing) -> None:
        self._counters = counters
        self._before = self._look(now, writing)

    def since(
        self, now: float, writing: Writing
    ) -> tuple[dict[Gauge, float | None], dict[CloseReason, int]]:
        """Return numbers by gauge since the last call, and what has ended by reason."""
        before, after = self._before, self._look(now, writing)
        self._before = after
        took_s = max(now - before.at, 1e-9)
        endings = {
            reason: count - before.disconnects.get(reason, 0)
            for reason, count in after.disconnects.items()
            if count != before.disconnects.get(reason, 0)
        }
        rtt = [now_ - then for now_, then in zip(after.rtt, before.rtt, strict=True)]
        lag = [now_ - then for now_, then in zip(after.lag, before.lag, strict=True)]
        written = writing.written - before.writing.written
        waited_s = writing.waited_s - before.writing.waited_s
        counters = self._counters
        return {
            Gauge.RECEIVED_BYTES_PER_S: (after.bytes_in - before.bytes_in) / took_s,
            Gauge.SENT_BYTES_PER_S: (after.bytes_out - before.bytes_out) / took_s,
            Gauge.HANDSHAKES_PER_S: (after.sessions_opened - before.sessions_opened) / took_s,
            Gauge.PINGS_PER_S: (after.pings - before.pings) / took_s,
            Gauge.FRAMES_PER_S: (after.frames - before.frames) / took_s,
            **_endings_per_s(endings, took_s),
            Gauge.RTT_P50_S: quantile(counters.rtt, rtt, 0.5),
            Gauge.RTT_P95_S: quantile(counters.rtt, rtt, 0.95),
            Gauge.LOOP_LAG_P50_S: quantile(counters.loop_lag, lag, 0.5),
            Gauge.LOOP_LAG_P95_S: quantile(counters.loop_lag, lag, 0.95),
            Gauge.HUB_LATENCY_S: waited_s / written if written else None,
            Gauge.HUB_DEPTH: writing.waiting,
            Gauge.HUB_BYTES: writing.waiting_bytes,
        }, endings

    def _look(self, now: float, writing: Writing) -> _Before:
        counters = self._counters
        return _Before(
            now,
            counters.bytes_in,
            counters.bytes_out,
            counters.sessions_opened,
            counters.pings_sent + counters.probes_sent + counters.pings_received,
            counters.frames_in
            - counters.pongs_received
            - counters.pings_received
            + counters.frames_out,
            counters.disconnects.copy(),
            counters.rtt.counts.copy(),
            counters.loop_lag.counts.copy(),
            writing,
        )


class Usage:
    """What our own process has used since the last look."""

    def __init__(self) -> None:
        self._before: tuple[float, Reading] | None = None

    def since(self, now: float, reading: Reading) -> dict[Gauge, float | None]:
        """Return numbers by gauge; those of the CPU from the second call on."""
        before, self._before = self._before, (now, reading)
        found: dict[Gauge, float | None] = {
            Gauge.MEMORY_BYTES: reading.memory_bytes,
            Gauge.MEMORY_PSS_BYTES: reading.pss_bytes,
            Gauge.MEMORY_LIMIT_BYTES: reading.memory_limit_bytes,
            Gauge.DESCRIPTORS: reading.descriptors,
            Gauge.DESCRIPTOR_LIMIT: reading.descriptor_limit,
        }
        if before is None or reading.cpu_s is None or before[1].cpu_s is None:
            return found
        took_s = max(now - before[0], 1e-9)
        percent = {
            group: max(0.0, 100 * (cpu_s - before[1].threads_s.get(group, 0.0)) / took_s)
            for group, cpu_s in reading.threads_s.items()
        }
        found[Gauge.CPU_PERCENT] = whole = 100 * (reading.cpu_s - before[1].cpu_s) / took_s
        if percent:
            found[Gauge.LOOP_CPU_PERCENT] = percent.get(LOOP)
            found[Gauge.HUB_CPU_PERCENT] = percent.get(HUB)
            found[Gauge.LOG_CPU_PERCENT] = percent.get(LOG)
            found[Gauge.OTHER_CPU_PERCENT] = max(0.0, whole - sum(percent.values()))
        return found


def quantile(histogram: Histogram, counts: Sequence[int], share: float) -> float | None:
    """Return below what so large a share of the observations was; None when there were none.

    Within a bucket they are taken to lie evenly, and in the last one at its lower bound.
    """
    total = sum(counts)
    if not total:
        return None
    left = share * total
    for (lower, upper), count in zip(pairwise((0.0, *histogram.bounds)), counts, strict=False):
        if count and left <= count:
            return lower + (upper - lower) * left / count
        left -= count
    return histogram.bounds[-1]


def _endings_per_s(endings: Mapping[CloseReason, int], took_s: float) -> dict[Gauge, float | None]:
    found = dict.fromkeys(
        (Gauge.HANDSHAKE_FAILURES_PER_S, Gauge.DISCONNECTS_PER_S, *_BY_INITIATOR.values()), 0.0
    )
    for reason, count in endings.items():
        per_s = count / took_s
        found[Gauge.HANDSHAKE_FAILURES_PER_S] += per_s * failed_at_the_door(reason)
        found[Gauge.DISCONNECTS_PER_S] += per_s * is_abnormal(reason)
        if reason.status is None:
            found[_BY_INITIATOR[reason.initiator]] += per_s
    return {**found}
