from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keepline.monitor.exposition import Metrics
from keepline.monitor.metrics import Counters
from keepline.monitor.process.reading import Reading
from keepline.monitor.rings import Rings
from keepline.monitor.sampled import shown_of, worst_lag_s
from keepline.monitor.sampler import Sampler
from keepline.reasons import CloseReason
from tests.unit.monitor.series import sample


def sampler_with(*lags_s: float) -> Sampler:
    rings, latest = Rings(5.0), None
    for number, lag_s in enumerate(lags_s):
        values: dict[str, Any] = {"loop_lag_max_s": lag_s, "inbox_depth": 7, "cpu_percent": 50}
        counts = {"idle_connections": 3, "connections": 7, "suspicious_connections": 1}
        latest = sample(5 * number, None, **values, **counts)
        rings.add(latest)
    found = reading_with(12.5, loop_s=4.0) if lags_s else None
    return cast("Sampler", SimpleNamespace(rings=rings, latest=latest, reading=found, missed=2))


def reading_with(cpu_s: float, loop_s: float) -> Reading:
    return Reading(1_000, None, 4_000, cpu_s, {"loop": loop_s}, 1_700_000_000.0, 7, None)


def page(sampler: Sampler, counters: Counters) -> list[str]:
    metrics = Metrics(counters, shown_of(sampler, counters), version="1")
    return asyncio.run(metrics.text()).decode().splitlines()


def test_the_latest_sample_is_shown_with_its_labels() -> None:
    counters = Counters()
    counters.disconnects[CloseReason.DEVICE_CLOSED] = 3
    counters.disconnects[CloseReason.INTERNAL_ERROR] = 1
    lines = page(sampler_with(0.1, 0.2), counters)
    for line in (
        'keepline_sessions_by_state{state="idle"} 3.0',
        'keepline_queue_depth{queue="inbox"} 7.0',
        'keepline_sessions_by_health{health="healthy"} 6.0',
        'keepline_sessions_by_health{health="suspicious"} 1.0',
        'keepline_cpu_seconds_total{threads="loop"} 4.0',
        'keepline_cpu_seconds_total{threads="hub"} 0.0',
        'keepline_cpu_seconds_total{threads="other"} 8.5',
        "keepline_disconnects_unattributed_ratio 0.25",
        "keepline_samples_missed_total 2.0",
        "keepline_memory_limit_bytes 4000.0",
        "process_cpu_seconds_total 12.5",
        "process_resident_memory_bytes 1000.0",
        "process_open_fds 7.0",
        "process_start_time_seconds 1.7e+09",
    ):
        assert line in lines
    assert not any(line.startswith("process_max_fds") for line in lines)


def test_before_the_first_sample_there_is_a_page_too() -> None:
    lines = page(sampler_with(), Counters())
    assert "keepline_loop_lag_max_seconds 0.0" in lines
    assert "keepline_disconnects_unattributed_ratio 0.0" in lines


def test_the_cpu_of_the_other_threads_never_falls() -> None:
    """The process is read before its threads, so their sum may be ahead of it."""
    sampler = sampler_with(0.1)
    [cpu] = [each for each in shown_of(sampler, Counters()) if each.name == "keepline_cpu_seconds"]
    before = cast("dict[str, float]", cpu.read())
    sampler.reading = reading_with(12.5, loop_s=4.2)
    after = cast("dict[str, float]", cpu.read())
    assert after["loop"] > before["loop"]
    assert after["other"] == before["other"] == 8.5


def test_the_worst_lateness_is_that_of_the_last_minute_however_often_it_is_read() -> None:
    sampler = sampler_with(9.0, *[0.1] * 5, 0.4, *[0.1] * 11)
    assert worst_lag_s(sampler) == worst_lag_s(sampler) == pytest.approx(0.4)
