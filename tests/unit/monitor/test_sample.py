from __future__ import annotations

from keepline.monitor.gauges import GAUGES, Gauge
from keepline.monitor.sample import Sample, in_order


def test_a_gauge_without_a_number_has_no_value() -> None:
    taken = Sample(1.0, in_order({Gauge.CONNECTIONS: 3, Gauge.RTT_P50_S: None}), {})
    assert len(taken.values) == len(GAUGES)
    assert taken.value(Gauge.CONNECTIONS) == 3
    assert taken.value(Gauge.RTT_P50_S) is None
    assert taken.value(Gauge.MEMORY_BYTES) is None
