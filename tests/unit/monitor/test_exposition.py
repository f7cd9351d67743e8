"""What Prometheus reads: names, labels, numbers."""

from __future__ import annotations

import asyncio
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keepline.histogram import Histogram
from keepline.hub.port import Outcome
from keepline.monitor.exposition import Metrics, Shown, ShownGauge, ShownHistogram
from keepline.monitor.metrics import Counters
from keepline.reasons import CloseReason

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(counters: Counters, *shown: Shown) -> Samples:
    text = asyncio.run(Metrics(counters, shown, version="1.2.3").text()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_every_counter_reaches_its_own_series() -> None:
    counters = Counters()
    names = [n for n in Counters.__slots__ if isinstance(getattr(counters, n), int | float)]
    for number, name in enumerate(names, start=1_001):
        setattr(counters, name, number)
    totals = sorted(v for (name, _), v in scraped(counters).items() if v > 1_000 and "keep" in name)
    assert totals == list(range(1_001, 1_001 + len(names)))


def test_names_follow_the_conventions() -> None:
    for name, _labels in scraped(Counters()):
        if name.startswith("keepline_"):
            assert name.endswith(("_total", "_info", "_bucket", "_sum", "_count", "_created"))


def test_every_reason_after_the_upgrade_is_there_before_it_happens() -> None:
    samples = scraped(Counters())
    for reason in CloseReason:
        if reason.status is None:
            labels = {"initiator": reason.initiator.value, "cause": reason.cause}
            assert value(samples, "keepline_disconnects_total", **labels) == 0


def test_every_reason_before_the_upgrade_is_there_before_it_happens() -> None:
    samples = scraped(Counters())
    for reason in set(CloseReason) - {CloseReason.ANSWERED}:
        if reason.status is not None:
            labels = {"cause": reason.cause, "status": str(reason.status)}
            assert value(samples, "keepline_refusals_total", **labels) == 0


def test_an_answered_configuration_request_is_no_refusal() -> None:
    counters = Counters()
    counters.disconnects[CloseReason.ANSWERED] += 2
    samples = scraped(counters)
    assert value(samples, "keepline_configurations_answered_total") == 2
    assert not any(("cause", "answered") in labels for _, labels in samples)


def test_an_ending_is_counted_by_who_and_why() -> None:
    counters = Counters()
    counters.disconnects[CloseReason.HEARTBEAT_TIMEOUT] += 2
    counters.disconnects[CloseReason.UNAUTHORIZED] += 3
    samples = scraped(counters)
    ended = {"initiator": "us", "cause": "heartbeat_timeout"}
    assert value(samples, "keepline_disconnects_total", **ended) == 2
    refused = {"cause": "unauthorized", "status": "401"}
    assert value(samples, "keepline_refusals_total", **refused) == 3


async def test_a_gauge_is_read_at_each_scrape() -> None:
    readings = iter([1.0, 2.0])
    metrics = Metrics(
        Counters(), (ShownGauge("keepline_sessions", "Live.", lambda: next(readings)),), version="1"
    )
    assert b"\nkeepline_sessions 1.0\n" in await metrics.text()
    assert b"\nkeepline_sessions 2.0\n" in await metrics.text()


def test_a_gauge_with_a_label_has_one_number_for_each_of_its_values() -> None:
    states = ShownGauge(
        "keepline_states", "By state.", lambda: {"ACTIVE": 3, "IDLE": 4}, label="state"
    )
    samples = scraped(Counters(), states)
    assert value(samples, "keepline_states", state="ACTIVE") == 3
    assert value(samples, "keepline_states", state="IDLE") == 4


def test_the_build_is_told() -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    assert value(scraped(Counters()), "keepline_build_info", version="1.2.3", python=python) == 1


def test_a_gauge_without_a_number_is_not_there() -> None:
    gauges = (
        ShownGauge("keepline_x", "X.", lambda: None),
        ShownGauge("keepline_y", "Y.", lambda: 2),
    )
    names = {name for name, _ in scraped(Counters(), *gauges)}
    assert "keepline_x" not in names
    assert "keepline_y" in names


def test_two_gateways_in_one_process_count_apart() -> None:
    first, second = Counters(), Counters()
    first.takeovers = 1
    assert value(scraped(first), "keepline_takeovers_total") == 1
    assert value(scraped(second), "keepline_takeovers_total") == 0


def test_round_trips_are_exposed_cumulatively() -> None:
    counters = Counters()
    for rtt_s in (0.0005, 0.03, 60.0):
        counters.rtt.observe(rtt_s)
    samples = scraped(counters)
    assert value(samples, "keepline_ping_rtt_seconds_bucket", le="0.001") == 1
    assert value(samples, "keepline_ping_rtt_seconds_bucket", le="0.05") == 2
    assert value(samples, "keepline_ping_rtt_seconds_bucket", le="+Inf") == 3
    assert value(samples, "keepline_ping_rtt_seconds_count") == 3
    assert value(samples, "keepline_ping_rtt_seconds_sum") == pytest.approx(60.0305)


def test_a_histogram_that_is_counted_elsewhere_is_shown_and_one_without_is_not() -> None:
    waits = Histogram((0.1,))
    waits.observe(0.05)
    samples = scraped(Counters(), ShownHistogram("keepline_x_seconds", "X.", lambda: waits))
    assert value(samples, "keepline_x_seconds_bucket", le="0.1") == 1
    samples = scraped(Counters(), ShownHistogram("keepline_x_seconds", "X.", lambda: None))
    assert not any(name.startswith("keepline_x") for name, _ in samples)


def test_sessions_are_counted_by_what_was_found_of_the_one_before() -> None:
    counters = Counters()
    counters.outcomes[Outcome.RESUMED] += 3
    samples = scraped(counters)
    assert value(samples, "keepline_resumptions_total", outcome="resumed") == 3
    assert value(samples, "keepline_resumptions_total", outcome="new") == 0
