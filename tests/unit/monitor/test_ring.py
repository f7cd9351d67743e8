from __future__ import annotations

from array import array
from math import isnan, nan

import pytest

from keepline.hub.port import Row
from keepline.monitor.ring import PARTS, WIDTH, Bucket, Ring
from tests.unit.monitor.series import MEMORY


def filled(*numbers: int, capacity: int = 10) -> Ring:
    ring = Ring(5.0, capacity, 1)
    for number in numbers:
        ring.put(number, [float(number)] * WIDTH)
    return ring


def seen(ring: Ring, first: int = 0, last: int = 10_000_000) -> dict[int, float]:
    at, [values] = ring.columns(MEMORY, first, last)
    return {number: value for number, value in enumerate(values, at) if not isnan(value)}


def test_what_is_put_is_found_at_its_time() -> None:
    ring = filled(100, 101, 102)
    assert seen(ring) == {100: 100.0, 101: 101.0, 102: 102.0}
    assert (ring.oldest, ring.newest, len(ring)) == (100, 102, 3)
    assert seen(ring, 101, 101) == {101: 101.0}
    assert seen(ring, 103, 105) == seen(ring, 5, 9) == seen(Ring(5.0, 3, 1)) == {}


def test_the_oldest_go_when_it_is_full() -> None:
    ring = filled(*range(100, 125))
    assert list(seen(ring)) == list(range(115, 125))
    assert ring.size_bytes == 10 * WIDTH * 4


def test_a_gap_stays_a_gap() -> None:
    ring = filled(100, 104)
    assert len(ring) == 5
    assert list(seen(ring)) == [100, 104]


@pytest.mark.parametrize("away", [11, 12, 1_000_000])
def test_after_a_gap_longer_than_all_it_begins_anew(away: int) -> None:
    ring = filled(100, 101, 101 + away)
    assert list(seen(ring)) == [101 + away]


def test_a_gap_of_nearly_all_leaves_the_last() -> None:
    assert list(seen(filled(100, 101, 110))) == [101, 110]


def test_a_clock_that_was_set_back_takes_back_what_came_after() -> None:
    ring = filled(100, 101, 102, 103)
    ring.put(101, [7.0] * WIDTH)
    assert seen(ring) == {100: 100.0, 101: 7.0}
    ring.put(50, [8.0] * WIDTH)
    assert seen(ring) == {50: 8.0}


def test_rows_come_back_from_their_bytes() -> None:
    ring = filled(100, 101)
    again = Ring(5.0, 10, 1)
    again.load([Row(5.0, number, ring.row(number).tobytes()) for number in (100, 101)])
    assert seen(again) == seen(ring)


def test_rows_of_a_version_with_fewer_or_more_gauges_are_taken_as_far_as_they_go() -> None:
    ring = Ring(5.0, 10, 1)
    ring.load([Row(5.0, 1, array("f", [1.0]).tobytes())])
    assert seen(ring) == {1: 1.0}
    ring.load([Row(5.0, 2, array("f", [2.0] * (WIDTH + 3)).tobytes())])
    assert (seen(ring), len(ring)) == ({1: 1.0, 2: 2.0}, 2)


def test_a_row_of_many_has_the_least_the_mean_and_the_most() -> None:
    bucket = Bucket(1)
    for value in (3.0, 1.0, 8.0):
        bucket.add([value] * WIDTH)
    assert bucket.row() == [1.0, 4.0, 8.0] * WIDTH
    coarser = Bucket(1)
    coarser.add(bucket.row())
    coarser.add([0.5, 2.0, 3.0] * WIDTH)
    assert coarser.row() == [0.5, 3.0, 8.0] * WIDTH


def test_what_has_no_value_counts_for_nothing() -> None:
    bucket = Bucket(1)
    bucket.add([nan] * WIDTH)
    assert all(isnan(value) for value in bucket.row())
    bucket.add([2.0] * WIDTH)
    assert bucket.row() == [2.0] * (PARTS * WIDTH)
