"""All that is watched for being above usual, in weeks that are played."""

from __future__ import annotations

from bisect import bisect_right

import pytest

from keepline.monitor.gauges import Gauge
from keepline.monitor.rules.seasons import DAY, HOUR_S
from keepline.monitor.rules.watched import STALE_S, WATCHED, Watched
from keepline.monitor.sample import Series
from keepline.settings.rules import Rules

STEP_S = 30.0
EIGHT = 8 * HOUR_S
DAYS = 4


def played(*, fault_s: float = 0.0, days: int = DAYS) -> list[tuple[float, Gauge]]:
    """Play days of which each has more disconnects from 8 o'clock on for 40 minutes.

    From `fault_s` on there are five times as many. Return when something was raised.
    """
    watched = Watched(Rules())
    times: list[float] = []
    columns: dict[Gauge, list[float]] = {gauge: [] for gauge in (*WATCHED, Gauge.CONNECTIONS)}
    raised: list[tuple[float, Gauge]] = []
    held: set[Gauge] = set()
    for number in range(int(days * DAY * HOUR_S / STEP_S)):
        second = number * STEP_S
        if not 6 <= second / HOUR_S % DAY < 10:
            continue  # nobody looks at the other hours
        busy = 8.0 if EIGHT <= second % (DAY * HOUR_S) < EIGHT + 2_400 else 2.0
        is_wrong = fault_s and second >= fault_s
        times.append(1e9 - 1e9 % (DAY * HOUR_S) + second)
        columns[Gauge.DISCONNECTS_PER_S].append((busy + number % 3 * 0.1) * (5 if is_wrong else 1))
        columns[Gauge.RTT_P50_S].append(0.04)
        columns[Gauge.HANDSHAKE_FAILURES_PER_S].append(0.1)
        columns[Gauge.CONNECTIONS].append(2_000.0)

        def recent(gauge: Gauge, for_s: float) -> Series:
            first = bisect_right(times, times[-1] - for_s)
            return Series(times[first:], columns[gauge][first:])

        found = {each.gauge for each in watched.look(second, recent) if each is not None}
        raised += [(second, gauge) for gauge in found - held]
        held = found
    return raised


def test_what_three_days_have_had_at_an_hour_is_no_news_on_the_fourth() -> None:
    days = [int(at // (DAY * HOUR_S)) for at, _ in played()]
    assert set(days) == {0, 1, 2}


def test_what_is_wrong_within_the_hour_is_found_all_the_same() -> None:
    onset_s = 3 * DAY * HOUR_S + EIGHT + 600.0
    late = [(at, gauge) for at, gauge in played(fault_s=onset_s) if at >= 3 * DAY * HOUR_S]
    [(at, gauge)] = late
    assert gauge is Gauge.DISCONNECTS_PER_S
    assert at - onset_s <= 120


@pytest.mark.parametrize("gauge", WATCHED)
def test_a_gauge_without_samples_finds_nothing_and_is_not_learned(gauge: Gauge) -> None:
    watched = Watched(Rules())

    def recent(asked: Gauge, for_s: float) -> Series:
        if asked is gauge or for_s < STALE_S:
            return Series([], [])
        return Series([float(at) for at in range(100)], [1.0] * 100)

    for look in range(30):
        assert not any(each for each in watched.look(5.0 * look, recent) if each is not None)
    assert watched.seasons.usual(gauge, 100.0) is None
