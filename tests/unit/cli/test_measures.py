from __future__ import annotations

import pytest

from keepline.cli.measures import BARS, amount, sparkline


@pytest.mark.parametrize(
    ("gauge", "value", "shown"),
    [
        ("memory_bytes", None, "-"),
        ("memory_bytes", 0.0, "0 B"),
        ("memory_bytes", 1_023.0, "1023 B"),
        ("memory_bytes", 1_536.0, "1.50 KiB"),
        ("memory_bytes", float(1 << 30), "1 GiB"),
        ("memory_bytes", float(1 << 55), "32768 TiB"),
        ("sent_bytes_per_s", 2_048.0, "2 KiB/s"),
        ("cpu_percent", 12.34, "12.3 %"),
        ("handshakes_per_s", 0.125, "0.12"),
        ("rtt_p50_s", 0.0213, "21.3 ms"),
        ("rtt_p50_s", 2.5, "2.50 s"),
        ("connections", 15_000.0, "15000"),
        ("connections", 447.5, "448"),
    ],
)
def test_a_number_is_told_in_the_unit_of_its_gauge(
    gauge: str, value: float | None, shown: str
) -> None:
    assert amount(gauge, value) == shown


def test_bars_go_from_the_least_to_the_most_and_a_gap_is_none() -> None:
    assert sparkline([0.0, 7.0, None, 3.5, 0.0]) == "▁█ ▅▁"
    assert sparkline([5.0, 5.0]) == BARS[0] * 2
    assert sparkline([None, None]) == sparkline([]) == ""
