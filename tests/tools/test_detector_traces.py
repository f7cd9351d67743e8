"""The networks on which the failure detector is tried."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import fmean, quantiles

import pytest

from tools.detector_traces import (
    CUT,
    JITTERY,
    LOSSY,
    NAPS,
    QUIET,
    Jitter,
    Lengths,
    Spans,
    Trace,
    Way,
)

TIMES = [0.5 * number for number in range(40_000)]


def way(trace: Trace) -> Way:
    return Way(trace, Random("way"), 0.0)


def delays_s(trace: Trace, *, up: bool) -> list[float]:
    over = way(trace)
    return [over.arrival(at, up=up) - at for at in TIMES]


def test_lengths_lie_between_their_least_and_most() -> None:
    random = Random(1)
    for lengths in (Lengths(2.0, 10.0), Lengths(0.25, 5.0, 1.5)):
        drawn = [lengths.draw(random) for _ in range(2_000)]
        assert lengths.least_s <= min(drawn) <= max(drawn) <= lengths.most_s
    assert fmean(Lengths(2.0, 10.0).draw(random) for _ in range(2_000)) == pytest.approx(6.0, 0.05)


def test_spans_come_as_often_and_take_as_long_as_was_said() -> None:
    spans = Spans(50.0, Lengths(2.0, 4.0), Random(2), 0.0)
    inside = sum(spans.end_of(at) is not None for at in TIMES) / len(TIMES)
    assert inside == pytest.approx(3.0 / 53.0, rel=0.1)


def test_a_span_that_was_is_still_known_when_somebody_asks_of_a_little_earlier() -> None:
    spans = Spans(5.0, Lengths(1.0, 1.0), Random(3), 0.0)
    begins, ends = spans.after(100.0)
    assert spans.after(ends + 7.0) != (begins, ends)
    assert spans.after(begins + 0.5) == (begins, ends)
    assert spans.end_of(begins + 0.5) == ends


def test_a_quiet_way_takes_what_was_said_and_no_more() -> None:
    takes_s = delays_s(QUIET, up=True)
    assert 0.001 <= min(takes_s) <= max(takes_s) <= 0.0051


def test_jitter_has_its_median_and_its_tail() -> None:
    jitter = Jitter(0.003, 1.9, 1.0)
    random = Random(4)
    drawn = [jitter.draw(random) for _ in range(20_000)]
    percents = quantiles(drawn, n=100)
    assert percents[49] == pytest.approx(0.003, rel=0.1)
    assert percents[98] == pytest.approx(0.25, rel=0.2)
    assert max(drawn) == 1.0


def test_a_nap_keeps_what_comes_to_the_device_and_not_what_it_says() -> None:
    assert max(delays_s(NAPS, up=False)) == pytest.approx(1.03, abs=0.02)
    assert max(delays_s(NAPS, up=True)) < 0.02


def test_what_is_sent_into_a_gap_comes_at_its_end() -> None:
    most_s = max(delays_s(replace(JITTERY, jitter=None), up=True))
    assert 1.0 < most_s <= 5.015


def test_what_is_lost_comes_after_retries_that_double() -> None:
    gone = replace(LOSSY, bad_loss=0.0, loss=0.5, delay_s=(0.0, 0.0), retry_s=(0.2, 1.5))
    over = way(gone)
    seen = {round(over.arrival(at, up=True) - at, 6) for at in range(0, 200_000, 1_000)}
    assert {0.0, 1.5, 4.5, 10.5} <= seen
    assert all(
        each in {0.0, *(1.5 * (2**n - 1) for n in range(1, 6))} or each > 60 for each in seen
    )


def test_nothing_that_is_sent_overtakes_what_was_before() -> None:
    over = way(replace(LOSSY, loss=0.3))
    arrived = [over.arrival(0.1 * number, up=True) for number in range(2_000)]
    assert arrived == sorted(arrived)


def test_a_device_that_speaks_is_heard_but_for_gaps_and_losses() -> None:
    quiet, cut = way(QUIET), way(CUT)
    assert all(quiet.last_heard(at) == at for at in TIMES)
    silent_s = [at - cut.last_heard(at) for at in TIMES]
    assert sum(each == 0.0 for each in silent_s) > 0.99 * len(TIMES)
    assert 2.0 <= max(silent_s) < 30.0


def test_what_is_held_up_is_heard_when_the_way_is_open_again() -> None:
    over = way(replace(JITTERY, gaps_per_h=60.0))
    at = next(at for at in TIMES if over.last_heard(at) < at)
    until = over.held_until(at)
    assert until > at
    assert over.arrival(at, up=True) >= until
    assert over.last_heard(until + 1e-6) == until + 1e-6
