"""Both clocks."""

from __future__ import annotations

import time

import pytest

from keepline.clock import Clock, ManualClock, SystemClock


def read(clock: Clock) -> tuple[float, float]:
    return clock.now(), clock.wall()


def test_the_system_clock_reads_the_monotonic_and_the_wall_clock() -> None:
    before = time.monotonic(), time.time()
    now, wall = read(SystemClock())
    after = time.monotonic(), time.time()
    assert before[0] <= now <= after[0]
    assert before[1] <= wall <= after[1]


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(now=5.0, wall=100.0)
    assert read(clock) == read(clock) == (5.0, 100.0)
    assert clock.advance(2.5) == 7.5
    assert read(clock) == (7.5, 102.5)


def test_a_manual_clock_does_not_run_backwards() -> None:
    clock = ManualClock()
    before = read(clock)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-0.1)
    assert read(clock) == before


def test_a_step_of_the_wall_clock_leaves_durations_alone() -> None:
    clock = ManualClock(now=5.0, wall=100.0)
    clock.step_wall(-40.0)
    assert read(clock) == (5.0, 60.0)
    clock.advance(1.0)
    assert read(clock) == (6.0, 61.0)
