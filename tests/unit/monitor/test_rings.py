from __future__ import annotations

from math import isnan

import pytest

from keepline.hub.port import Row
from keepline.monitor.gauges import GAUGES, Gauge
from keepline.monitor.rings import MINUTES, QUARTERS, Rings
from tests.unit.monitor.series import MEMORY, WALL, sample


def run(rings: Rings, begin_s: int, end_s: int, step_s: int = 5) -> list[Row]:
    """Sample from one time to another; the value is the second."""
    rows: list[Row] = []
    for at_s in range(begin_s, end_s, step_s):
        rows += rings.add(sample(at_s, float(at_s)))
    return rows


def steps(rows: list[Row]) -> list[tuple[float, float]]:
    """Return the step of each row, and its time after WALL."""
    return [(row.step_s, row.number * row.step_s - WALL) for row in rows]


def test_a_minute_is_finished_by_the_first_sample_of_the_next() -> None:
    rings = Rings(5.0)
    assert {step_s for step_s, _ in steps(run(rings, 0, 60))} == {5.0}
    assert steps(run(rings, 60, 65)) == [(60.0, 0.0), (5.0, 60.0)]
    span = rings.span(MEMORY, WALL, WALL + 59, 2)
    assert rings.minutes.row(rings.minutes.newest)[:3].tolist() == [0.0, 27.5, 55.0]
    assert span.mean[0] == pytest.approx(27.5)


def test_a_quarter_of_an_hour_is_made_of_its_minutes() -> None:
    rings = Rings(5.0)
    rows = run(rings, 0, 961)
    assert [each for each in steps(rows) if each[0] == 900.0] == [(900.0, 0.0)]
    assert rings.quarters.row(rings.quarters.newest)[:3].tolist() == [0.0, 447.5, 895.0]


def test_a_sample_that_is_a_little_early_or_late_is_in_its_place() -> None:
    rings = Rings(5.0)
    for at_s in (0.003, 4.9994, 10.2, 14.9):
        rings.add(sample(at_s))
    assert rings.series(MEMORY, 60.0).times == [WALL, WALL + 5, WALL + 10, WALL + 15]


def test_everything_stays_below_its_bound() -> None:
    rings = Rings(5.0)
    bound = 4 * len(GAUGES) * (720 + 3 * MINUTES + 3 * QUARTERS)
    for number in range(0, 86_400 * 16, 300):  # a sample every five minutes: the gaps are filled
        rings.add(sample(number))
    assert rings.size_bytes <= bound < 1_700_000
    assert [len(ring) for ring in rings.all] == [720, MINUTES, QUARTERS]


def test_a_series_is_times_and_values_without_the_gaps() -> None:
    rings = Rings(5.0)
    run(rings, 0, 30)
    rings.add(sample(30, None))
    run(rings, 50, 60)
    series = rings.series(MEMORY, 40.0)
    assert [time - WALL for time in series.times] == [20, 25, 50, 55]
    assert series.values == [20, 25, 50, 55]
    assert rings.series(Gauge.RTT_P50_S, 0.0) == ([], [])


def test_a_series_of_minutes_is_their_means() -> None:
    rings = Rings(5.0)
    run(rings, 0, 181)
    assert rings.series(MEMORY, 120.0, rings.minutes).values == [87.5, 147.5]


# -- restarts ----------------------------------------------------------------------------------


def test_a_restart_leaves_a_gap_and_loses_nothing_else() -> None:
    rings = Rings(5.0)
    rows = [*run(rings, 0, 1_000), *rings.close()]
    heir = Rings(5.0)
    heir.load(sorted(rows), WALL + 1_300)
    run(heir, 1_300, 1_400)
    series = heir.series(MEMORY, 3_600.0)
    assert [time - WALL for time in series.times] == [*range(0, 1_000, 5), *range(1_300, 1_400, 5)]
    span = heir.span(MEMORY, WALL + 900, WALL + 1_395, 1_000)
    assert sum(map(isnan, span.mean)) == 60


def test_what_was_open_at_the_end_is_made_anew_of_the_finer_rows() -> None:
    rings, heir = Rings(5.0), Rings(5.0)
    rows = [*run(rings, 0, 130), *rings.close()]
    heir.load(sorted(rows), WALL + 135)
    run(heir, 135, 965)
    straight = Rings(5.0)
    run(straight, 0, 965)
    ours, expected = (each.quarters.row(each.quarters.newest) for each in (heir, straight))
    assert ours[0] == expected[0] == 0.0
    assert ours[1] == pytest.approx(expected[1], abs=1.0)  # a sample is missing
    assert ours[2] == expected[2]
    minute = heir.minutes.row(int((WALL + 120) // 60))
    assert minute[:3].tolist() == pytest.approx([120.0, 149.091, 175.0], abs=0.01)


def test_rows_of_another_interval_are_left_and_those_of_a_future_too() -> None:
    rings = Rings(5.0)
    rows = [*run(rings, 0, 1_000), *rings.close()]
    other = Rings(10.0)
    other.load(sorted(rows), WALL + 1_000)
    assert len(other.samples) == 0
    assert len(other.minutes) == 17
    assert other.span(MEMORY, WALL, WALL + 1_000, 100).step_s == 60.0
    past = Rings(5.0)
    past.load(sorted(rows), WALL + 100)
    assert past.samples.newest * 5 - WALL == 100


def test_what_is_kept_is_what_the_rings_can_hold_and_not_of_a_far_future() -> None:
    rings = Rings(5.0)
    run(rings, 0, 1_000)
    first, last = rings.kept[5.0]
    now = int(WALL + 995) // 5
    assert (first, last) == (now - 719, now + 720)


def test_of_a_former_life_that_could_not_be_read_all_is_kept_that_is_not_too_old() -> None:
    rings = Rings(5.0)
    run(rings, 0, 5)  # the first sample, and nothing else is known
    for step_s, worth_s in ((60.0, 86_400.0), (900.0, 14 * 86_400.0)):
        first, last = rings.kept[step_s]
        assert WALL - worth_s <= first * step_s <= WALL - worth_s + 2 * step_s
        assert last * step_s > WALL


# -- looking back ------------------------------------------------------------------------------


def test_a_span_is_of_the_finest_ring_that_reaches_back_so_far() -> None:
    rings = Rings(5.0)
    run(rings, 0, 3 * 3_600)
    now = WALL + 3 * 3_600 - 5
    assert rings.span(MEMORY, now - 1_800, now, 1_000).step_s == 5.0
    assert rings.span(MEMORY, now - 7_200, now, 1_000).step_s == 60.0
    assert rings.span(MEMORY, 0.0, now, 1_000).step_s == 60.0


def test_a_span_has_no_more_points_than_asked_and_keeps_the_extremes() -> None:
    rings = Rings(5.0)
    run(rings, 0, 3_600)
    for points in (2, 3, 7, 40, 299, 719, 1_000):
        span = rings.span(MEMORY, WALL, WALL + 3_595, points)
        assert len(span.mean) == len(span.least) == len(span.most) <= points
        assert (min(span.least), max(span.most)) == (0.0, 3_595.0)
        assert span.start % span.step_s == 0


def test_a_span_of_what_was_never_seen_is_empty() -> None:
    rings = Rings(5.0)
    assert rings.span(MEMORY, WALL, WALL + 60, 10).mean == []
    run(rings, 0, 60)
    assert rings.span(MEMORY, WALL + 600, WALL + 700, 10).mean == []
    assert rings.span(MEMORY, WALL + 50, WALL + 20, 10).mean == []


def test_a_coarser_row_that_begins_before_the_first_sample_is_no_reason_to_be_coarse() -> None:
    rings = Rings(5.0)
    rows = [*run(rings, 40, 100), *rings.close()]
    heir = Rings(5.0)
    heir.load(sorted(rows), WALL + 100)
    assert heir.span(MEMORY, WALL - 3_600, WALL + 100, 300).step_s == 5.0
