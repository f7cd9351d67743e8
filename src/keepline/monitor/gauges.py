"""What one node watches of itself: a closed list of series, each with one number in each sample.

A sample and the store have them by position: a new one is appended, none is moved or taken out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Gauge(StrEnum):
    """The name of one series, in its unit; what cannot be read on a machine has no value."""

    MEMORY_BYTES = "memory_bytes"  # resident, of this process
    MEMORY_PSS_BYTES = "memory_pss_bytes"  # shared pages counted in part
    MEMORY_LIMIT_BYTES = "memory_limit_bytes"  # of the control group, else of the machine
    CPU_PERCENT = "cpu_percent"  # of one core, all threads
    LOOP_CPU_PERCENT = "loop_cpu_percent"  # of one core, the loop's thread
    DESCRIPTORS = "descriptors"
    DESCRIPTOR_LIMIT = "descriptor_limit"
    CONNECTIONS = "connections"
    IDLE_CONNECTIONS = "idle_connections"
    SUSPICIOUS_CONNECTIONS = "suspicious_connections"
    QUEUE_DEPTH = "queue_depth"  # messages that wait in inboxes and outboxes
    QUEUE_BYTES = "queue_bytes"
    RECEIVED_BYTES_PER_S = "received_bytes_per_s"  # of devices, by this process
    SENT_BYTES_PER_S = "sent_bytes_per_s"
    LOOP_LAG_P50_S = "loop_lag_p50_s"
    LOOP_LAG_P95_S = "loop_lag_p95_s"
    LOOP_LAG_MAX_S = "loop_lag_max_s"
    HANDSHAKES_PER_S = "handshakes_per_s"
    HANDSHAKE_FAILURES_PER_S = "handshake_failures_per_s"
    DISCONNECTS_PER_S = "disconnects_per_s"  # but for normal ends
    RTT_P50_S = "rtt_p50_s"
    RTT_P95_S = "rtt_p95_s"
    HUB_LATENCY_S = "hub_latency_s"  # of a write, from its asking to its commit, mean
    HUB_CPU_PERCENT = "hub_cpu_percent"  # of one core, the thread that remembers
    LOG_CPU_PERCENT = "log_cpu_percent"  # of one core, the thread that writes the log
    OTHER_CPU_PERCENT = "other_cpu_percent"  # of one core, all threads but those three
    ADMISSIONS = "admissions"  # handshakes under way
    DEPARTURES = "departures"  # connections that are being cleaned up
    ACTIVE_CONNECTIONS = "active_connections"
    ZOMBIE_CONNECTIONS = "zombie_connections"  # given up, and held by the breaker
    INBOX_DEPTH = "inbox_depth"  # messages that wait for handlers
    INBOX_BYTES = "inbox_bytes"
    OUTBOX_DEPTH = "outbox_depth"  # frames that wait for devices
    OUTBOX_BYTES = "outbox_bytes"
    HUB_DEPTH = "hub_depth"  # writes that wait for the hub
    HUB_BYTES = "hub_bytes"
    LOG_DEPTH = "log_depth"  # lines that wait to be written
    LOG_BYTES = "log_bytes"
    ENDED_BY_DEVICE_PER_S = "ended_by_device_per_s"
    ENDED_BY_NETWORK_PER_S = "ended_by_network_per_s"
    ENDED_BY_US_PER_S = "ended_by_us_per_s"
    ENDED_BY_OPERATOR_PER_S = "ended_by_operator_per_s"
    ENDED_BY_UPSTREAM_PER_S = "ended_by_upstream_per_s"
    PINGS_PER_S = "pings_per_s"  # of either side, and requests in their place
    FRAMES_PER_S = "frames_per_s"  # of data, in both directions
    TALKING_CONNECTIONS = "talking_connections"  # data went either way in the last interval


GAUGES: Final = tuple(Gauge)
POSITION: Final = {gauge: position for position, gauge in enumerate(GAUGES)}
