from __future__ import annotations

from keepline.monitor.gauges import GAUGES, POSITION

AS_WRITTEN = """
    memory_bytes memory_pss_bytes memory_limit_bytes cpu_percent loop_cpu_percent descriptors
    descriptor_limit connections idle_connections suspicious_connections queue_depth queue_bytes
    received_bytes_per_s sent_bytes_per_s loop_lag_p50_s loop_lag_p95_s loop_lag_max_s
    handshakes_per_s handshake_failures_per_s disconnects_per_s rtt_p50_s rtt_p95_s hub_latency_s
    hub_cpu_percent log_cpu_percent other_cpu_percent admissions departures active_connections
    zombie_connections inbox_depth inbox_bytes outbox_depth outbox_bytes hub_depth hub_bytes
    log_depth log_bytes ended_by_device_per_s ended_by_network_per_s ended_by_us_per_s
    ended_by_operator_per_s ended_by_upstream_per_s pings_per_s frames_per_s
    talking_connections
""".split()  # noqa: SIM905 (a list would be fifty lines)


def test_a_gauge_keeps_its_place_since_files_have_numbers_by_place() -> None:
    assert [gauge.value for gauge in GAUGES[: len(AS_WRITTEN)]] == AS_WRITTEN
    assert [POSITION[gauge] for gauge in GAUGES] == list(range(len(GAUGES)))
