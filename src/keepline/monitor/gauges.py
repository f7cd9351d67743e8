"""What one node watches of itself: a closed list of series, each with one number in each sample."""

from __future__ import annotations

from enum import StrEnum


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
