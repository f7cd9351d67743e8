"""Numbers of workers made one: sums where they are true, else the worst, with whose it is."""

from __future__ import annotations

from typing import Any

from keepline.admin.machine import summed


def span(start: float, *mean: float | None, step_s: float = 5.0) -> dict[str, Any]:
    values = list(mean)
    return {"start": start, "step_s": step_s, "least": values, "mean": values, "most": values}


def series(gauge: str, *spans: dict[str, Any]) -> dict[str, Any]:
    answers = {slot: {"series": {gauge: each}} for slot, each in enumerate(spans, start=1)}
    found: dict[str, Any] = summed.series(answers)["series"][gauge]
    return found


def test_sessions_are_added_up_and_of_the_loop_s_lag_the_worst_is_told_with_its_worker() -> None:
    found, whose = summed.latest(
        {
            1: {"connections": 3.0, "loop_lag_p95_s": 0.1, "rtt_p50_s": None},
            2: {"connections": 4.0, "loop_lag_p95_s": 0.3, "rtt_p50_s": None},
        }
    )
    assert found == {"connections": 7.0, "loop_lag_p95_s": 0.3, "rtt_p50_s": None}
    assert whose == {"loop_lag_p95_s": 2}


def test_series_that_begin_at_different_times_are_laid_on_one_axis() -> None:
    found = series("connections", span(100.0, 1.0, 2.0, 3.0), span(105.0, 10.0, 20.0))
    assert (found["start"], found["step_s"]) == (100.0, 5.0)
    assert found["mean"] == [1.0, 12.0, 23.0]


def test_of_round_trips_the_worst_is_drawn_at_each_moment() -> None:
    assert series("rtt_p50_s", span(0.0, 0.1, 0.4), span(0.0, 0.3, 0.2))["mean"] == [0.3, 0.4]


def test_who_has_not_looked_yet_does_not_make_the_sum_drop_and_who_is_gone_does() -> None:
    found = series("connections", span(0.0, 1.0, 1.0, 1.0), span(0.0, 2.0, None, None))
    assert found["mean"] == [3.0, 3.0, 1.0]
    newer = series("connections", span(0.0, 1.0, 1.0), span(0.0, 2.0))
    assert newer["mean"] == [3.0, 3.0]


def test_what_nobody_has_seen_is_a_hole() -> None:
    found = series("connections", span(0.0, 1.0, None, None), span(0.0, 2.0, None, None))
    assert found["mean"] == [3.0, 3.0, None]
    assert series("connections", span(0.0), span(0.0))["mean"] == []


def test_finer_steps_are_made_as_coarse_as_those_of_the_others() -> None:
    finer = span(0.0, 1.0, 3.0, 5.0, 5.0)
    found = series("connections", finer, span(0.0, 10.0, 20.0, step_s=10.0))
    assert found["step_s"] == 10.0
    assert found["least"] == [11.0, 25.0]
    assert found["mean"] == [12.0, 25.0]
    assert found["most"] == [13.0, 25.0]
