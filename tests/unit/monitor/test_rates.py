from __future__ import annotations

import pytest

from keepline.histogram import Histogram
from keepline.hub.port import Writing
from keepline.monitor.gauges import Gauge
from keepline.monitor.metrics import Counters
from keepline.monitor.process.reading import Reading
from keepline.monitor.rates import (
    Rates,
    Usage,
    failed_at_the_door,
    is_abnormal,
    quantile,
    unattributed_share,
)
from keepline.reasons import CloseReason, Initiator

QUIET = Writing(0, 0, 0, 0.0)


def reading(cpu_s: float | None, **threads_s: float) -> Reading:
    return Reading(1_000, None, 4_000, cpu_s, threads_s, None, 7, 1_024)


def test_numbers_that_grow_become_rates() -> None:
    counters = Counters()
    counters.bytes_in = 1_000
    rates = Rates(counters, 100.0, QUIET)
    counters.bytes_in += 500
    counters.bytes_out += 50
    counters.sessions_opened += 20
    found, endings = rates.since(105.0, QUIET)
    assert found[Gauge.RECEIVED_BYTES_PER_S] == 100
    assert found[Gauge.SENT_BYTES_PER_S] == 10
    assert found[Gauge.HANDSHAKES_PER_S] == 4
    assert endings == {}
    found, _ = rates.since(110.0, QUIET)
    assert found[Gauge.RECEIVED_BYTES_PER_S] == found[Gauge.HANDSHAKES_PER_S] == 0


def test_what_ended_is_told_by_reason_and_by_who_ended_it() -> None:
    counters = Counters()
    counters.disconnects[CloseReason.DEVICE_CLOSED] = 1_000
    rates = Rates(counters, 0.0, QUIET)
    counters.disconnects[CloseReason.DEVICE_CLOSED] += 10
    counters.disconnects[CloseReason.HEARTBEAT_TIMEOUT] += 5
    counters.disconnects[CloseReason.HELLO_TIMEOUT] += 15
    counters.disconnects[CloseReason.UNAUTHORIZED] += 20
    counters.disconnects[CloseReason.ANSWERED] += 25
    found, endings = rates.since(5.0, QUIET)
    assert endings == {
        CloseReason.DEVICE_CLOSED: 10,
        CloseReason.HEARTBEAT_TIMEOUT: 5,
        CloseReason.HELLO_TIMEOUT: 15,
        CloseReason.UNAUTHORIZED: 20,
        CloseReason.ANSWERED: 25,
    }
    assert found[Gauge.DISCONNECTS_PER_S] == 1
    assert found[Gauge.HANDSHAKE_FAILURES_PER_S] == 7
    assert found[Gauge.ENDED_BY_DEVICE_PER_S] == 2
    assert found[Gauge.ENDED_BY_US_PER_S] == 4  # the hello, too: that one was upgraded
    assert found[Gauge.ENDED_BY_NETWORK_PER_S] == 0


@pytest.mark.parametrize("reason", CloseReason)
def test_no_ending_is_both_a_failed_handshake_and_a_lost_connection(reason: CloseReason) -> None:
    assert not (failed_at_the_door(reason) and is_abnormal(reason))
    if reason.initiator is Initiator.OPERATOR:
        assert not is_abnormal(reason)


def test_causes_nobody_knows_are_a_share_of_the_upgraded() -> None:
    assert unattributed_share({CloseReason.UNAUTHORIZED: 5}) is None
    ended = {CloseReason.DEVICE_CLOSED: 98, CloseReason.INTERNAL_ERROR: 1}
    assert unattributed_share({**ended, CloseReason.NETWORK_LOST: 1}) == 0.02


def test_a_write_has_the_mean_of_what_was_written_since() -> None:
    rates = Rates(Counters(), 0.0, Writing(0, 0, 100, 1.0))
    found, _ = rates.since(5.0, Writing(3, 700, 110, 1.05))
    assert found[Gauge.HUB_LATENCY_S] == pytest.approx(0.005)
    assert (found[Gauge.HUB_DEPTH], found[Gauge.HUB_BYTES]) == (3, 700)
    found, _ = rates.since(10.0, Writing(0, 0, 110, 1.05))
    assert found[Gauge.HUB_LATENCY_S] is None


def test_round_trips_and_lateness_are_those_since_the_last_look() -> None:
    counters = Counters()
    for _ in range(100):
        counters.rtt.observe(9.0)
    rates = Rates(counters, 0.0, QUIET)
    for _ in range(100):
        counters.rtt.observe(0.03)
    counters.loop_lag.observe(0.15)
    found, _ = rates.since(5.0, QUIET)
    assert 0.025 < (found[Gauge.RTT_P50_S] or 0) < (found[Gauge.RTT_P95_S] or 0) < 0.05
    assert 0.1 < (found[Gauge.LOOP_LAG_P95_S] or 0) <= 0.2
    found, _ = rates.since(10.0, QUIET)
    assert found[Gauge.RTT_P50_S] is None


def test_a_quantile_lies_evenly_within_its_bucket() -> None:
    histogram = Histogram((1.0, 2.0, 4.0))
    assert quantile(histogram, [0, 0, 0, 0], 0.5) is None
    assert quantile(histogram, [10, 0, 0, 0], 0.5) == 0.5
    assert quantile(histogram, [0, 0, 10, 0], 0.5) == 3.0
    assert quantile(histogram, [5, 0, 5, 0], 0.95) == pytest.approx(3.8)
    assert quantile(histogram, [0, 0, 0, 3], 0.5) == 4.0


def test_cpu_is_known_from_the_second_look_on() -> None:
    usage = Usage()
    found = usage.since(0.0, reading(10.0, loop=8.0, hub=1.0))
    assert found[Gauge.MEMORY_BYTES] == 1_000
    assert Gauge.CPU_PERCENT not in found
    found = usage.since(5.0, reading(12.0, loop=9.0, hub=1.5))
    assert found[Gauge.CPU_PERCENT] == 40
    assert found[Gauge.LOOP_CPU_PERCENT] == 20
    assert found[Gauge.HUB_CPU_PERCENT] == 10
    assert found[Gauge.LOG_CPU_PERCENT] is None
    assert found[Gauge.OTHER_CPU_PERCENT] == 10


def test_a_thread_that_has_ended_takes_nothing_back() -> None:
    usage = Usage()
    usage.since(0.0, reading(10.0, loop=8.0, hub=2.0))
    found = usage.since(5.0, reading(10.5, loop=8.5, hub=0.0))
    assert found[Gauge.HUB_CPU_PERCENT] == found[Gauge.OTHER_CPU_PERCENT] == 0


def test_where_threads_are_not_told_apart_the_whole_is_known() -> None:
    usage = Usage()
    usage.since(0.0, reading(10.0))
    found = usage.since(5.0, reading(11.0))
    assert found[Gauge.CPU_PERCENT] == 20
    assert Gauge.LOOP_CPU_PERCENT not in found
    assert Gauge.CPU_PERCENT not in usage.since(6.0, reading(None))
