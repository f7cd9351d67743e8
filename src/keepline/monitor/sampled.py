"""What Prometheus is shown of the latest sample, and of what the sampler keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.monitor.exposition import ShownCounter, ShownGauge
from keepline.monitor.gauges import Gauge
from keepline.monitor.process.reading import HUB, LOG, LOOP
from keepline.monitor.rates import unattributed_share
from keepline.monitor.rings import MINUTE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keepline.monitor.exposition import Shown
    from keepline.monitor.metrics import Counters
    from keepline.monitor.process.reading import Reading
    from keepline.monitor.sampler import Sampler

    Value = Callable[[Reading], float | None]

_QUEUES: Final = ("hub", "inbox", "log", "outbox")
_THREADS: Final = (LOOP, HUB, LOG, "other")

# A value of a reading is a series; those by other names than ours are what every program has, by
# the names that dashboards know.
_READINGS: Final[tuple[tuple[type[ShownGauge | ShownCounter], str, str, Value], ...]] = (
    (
        ShownGauge,
        "keepline_memory_limit_bytes",
        "What the control group or the machine allows the process.",
        lambda reading: reading.memory_limit_bytes,
    ),
    (
        ShownGauge,
        "keepline_memory_proportional_bytes",
        "Memory of the process with shared pages counted in part, at most a minute old.",
        lambda reading: reading.pss_bytes,
    ),
    (
        ShownCounter,
        "process_cpu_seconds",
        "CPU time of all threads.",
        lambda reading: reading.cpu_s,
    ),
    (
        ShownGauge,
        "process_resident_memory_bytes",
        "Resident memory.",
        lambda reading: reading.memory_bytes,
    ),
    (ShownGauge, "process_open_fds", "Open descriptors.", lambda reading: reading.descriptors),
    (
        ShownGauge,
        "process_max_fds",
        "How many descriptors may be open.",
        lambda reading: reading.descriptor_limit,
    ),
    (
        ShownGauge,
        "process_start_time_seconds",
        "When the process began, in Unix time.",
        lambda reading: reading.started_at,
    ),
)


def shown_of(sampler: Sampler, counters: Counters) -> tuple[Shown, ...]:
    """Return what is read at each scrape; without a value, a series is not there."""
    return (
        ShownGauge(
            "keepline_sessions_by_state",
            "Live sessions at the latest sample, by state.",
            _several(sampler, {"active": Gauge.ACTIVE_CONNECTIONS, "idle": Gauge.IDLE_CONNECTIONS}),
            label="state",
            values=("active", "idle"),
        ),
        ShownGauge(
            "keepline_sessions_by_health",
            "Live sessions at the latest sample, by what the heartbeat makes of them.",
            lambda: _by_health(sampler),
            label="health",
            values=("healthy", "suspicious", "zombie"),
        ),
        ShownGauge(
            "keepline_queue_depth",
            "What waits at the latest sample, by queue.",
            _several(sampler, {queue: Gauge(f"{queue}_depth") for queue in _QUEUES}),
            label="queue",
            values=_QUEUES,
        ),
        ShownGauge(
            "keepline_queue_bytes",
            "Bytes that wait at the latest sample, by queue.",
            _several(sampler, {queue: Gauge(f"{queue}_bytes") for queue in _QUEUES}),
            label="queue",
            values=_QUEUES,
        ),
        ShownCounter(
            "keepline_cpu_seconds",
            "CPU time by group of threads, at the latest sample.",
            _Cpu(sampler).read,
            label="threads",
            values=_THREADS,
        ),
        *(kind(name, help_, _reading(sampler, value)) for kind, name, help_, value in _READINGS),
        ShownGauge(
            "keepline_loop_lag_max_seconds",
            "By how much the loop's tick was late at most, in the last minute.",
            lambda: worst_lag_s(sampler),
        ),
        ShownGauge(
            "keepline_disconnects_unattributed_ratio",
            "Share of disconnects whose cause nobody knows.",
            lambda: unattributed_share(counters.disconnects) or 0.0,
        ),
        ShownCounter(
            "keepline_samples_missed",
            "Samples that were not taken, since the one before was not through.",
            lambda: sampler.missed,
        ),
    )


def worst_lag_s(sampler: Sampler) -> float:
    """Return by how much the loop was late at most in the samples of the last minute."""
    return max(sampler.rings.series(Gauge.LOOP_LAG_MAX_S, MINUTE_S).values, default=0.0)


def _reading(sampler: Sampler, value: Value) -> Callable[[], float | None]:
    return lambda: None if sampler.reading is None else value(sampler.reading)


def _several(sampler: Sampler, gauges: Mapping[str, Gauge]) -> Callable[[], Mapping[str, float]]:
    def read() -> dict[str, float]:
        latest = sampler.latest
        if latest is None:
            return {}
        values = {label: latest.value(gauge) for label, gauge in gauges.items()}
        return {label: value for label, value in values.items() if value is not None}

    return read


def _by_health(sampler: Sampler) -> dict[str, float]:
    latest = sampler.latest
    if latest is None:
        return {}
    doubted = {
        "suspicious": latest.value(Gauge.SUSPICIOUS_CONNECTIONS) or 0.0,
        "zombie": latest.value(Gauge.ZOMBIE_CONNECTIONS) or 0.0,
    }
    connections = latest.value(Gauge.CONNECTIONS) or 0.0
    return {"healthy": max(0.0, connections - sum(doubted.values())), **doubted}


class _Cpu:
    """CPU time by group of threads; nothing where the machine does not tell threads apart."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._other_s = 0.0

    def read(self) -> dict[str, float]:
        reading = self._sampler.reading
        if reading is None or reading.cpu_s is None or not reading.threads_s:
            return {}
        known_s = {name: reading.threads_s.get(name, 0.0) for name in (LOOP, HUB, LOG)}
        # The process is read a moment before its threads; a total that fell would be a restart.
        self._other_s = max(self._other_s, reading.cpu_s - sum(known_s.values()))
        return {**known_s, "other": self._other_s}
