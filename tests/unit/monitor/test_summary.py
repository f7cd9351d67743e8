from __future__ import annotations

from keepline.monitor.gauges import Gauge
from keepline.monitor.rings import Rings
from keepline.monitor.summary import Ended, summary_of
from keepline.reasons import CloseReason
from tests.unit.monitor.series import WALL, sample


def test_averages_are_over_the_last_sixty_samples() -> None:
    rings = Rings(5.0)
    for number in range(100):
        rings.add(latest := sample(5 * number, None, connections=number, rtt_p50_s=2.0))
    summary = summary_of(rings, latest, {}, [])
    assert summary.at == WALL + 495
    assert summary.samples == 60
    assert summary.latest[Gauge.CONNECTIONS] == 99
    assert summary.averages[Gauge.CONNECTIONS] == 69.5
    assert summary.averages[Gauge.RTT_P50_S] == 2
    assert summary.averages[Gauge.MEMORY_BYTES] is summary.latest[Gauge.MEMORY_BYTES] is None


def test_before_the_first_sample_nothing_has_a_value() -> None:
    summary = summary_of(Rings(5.0), None, dict.fromkeys(CloseReason, 0), [])
    assert (summary.at, summary.samples, summary.endings) == (None, 0, [])
    assert set(summary.latest.values()) == set(summary.averages.values()) == {None}
    assert summary.unattributed is None


def test_endings_are_told_by_cause_the_most_frequent_first() -> None:
    totals = {
        CloseReason.KICKED: 1,
        CloseReason.DEVICE_CLOSED: 98,
        CloseReason.NETWORK_LOST: 1,
        CloseReason.UNAUTHORIZED: 50,
        CloseReason.REPLACED: 0,
    }
    lately = [{CloseReason.DEVICE_CLOSED: 2}, {CloseReason.DEVICE_CLOSED: 3}, {}]
    summary = summary_of(Rings(5.0), None, totals, lately)
    assert summary.endings[0] == Ended("device", "device_closed", 98, 5)
    assert {each.cause for each in summary.endings[1:]} == {"kicked", "network_lost"}
    assert summary.unattributed == 0.01
