"""The numbers are those of docs/heartbeats.md."""

from __future__ import annotations

import pytest

from keepline.lifecycle.heartbeat import HeartbeatPolicy
from keepline.simulation.oracle.hearts import Bounds


def test_an_idle_device_that_answers_is_kept_19_to_20_seconds() -> None:
    bounds = Bounds(HeartbeatPolicy())
    least_s = bounds.least_s(has_answered=True, streams=False)
    assert least_s == pytest.approx(13.1 + 5.5, abs=0.15)
    assert bounds.calm_most_s(streams=False, is_probed=False) == 20.5


def test_a_streaming_device_that_answers_is_kept_at_most_3_seconds() -> None:
    bounds = Bounds(HeartbeatPolicy())
    assert bounds.calm_most_s(streams=True, is_probed=False) == pytest.approx(2.9)
    assert bounds.least_s(has_answered=True, streams=True) == pytest.approx(2.5)


def test_a_device_that_is_probed_is_given_four_times_the_patience() -> None:
    bounds = Bounds(HeartbeatPolicy())
    assert bounds.calm_most_s(streams=False, is_probed=True) == 37.0
    assert bounds.calm_most_s(streams=True, is_probed=True) == pytest.approx(23.1)


def test_who_has_never_answered_and_the_seeds_preset_go_by_age() -> None:
    assert Bounds(HeartbeatPolicy()).least_s(has_answered=False, streams=True) > 89
    seed = Bounds(HeartbeatPolicy(preset="seed"))
    assert seed.least_s(has_answered=True, streams=True) > 89
    assert seed.calm_most_s(streams=True, is_probed=False) == seed.most_s() < 91


def test_where_intervals_are_learned_the_idle_are_kept_as_long_as_the_setting_says() -> None:
    bounds = Bounds(HeartbeatPolicy(), 120.0)
    assert bounds.calm_most_s(streams=False, is_probed=False) == 120
    assert bounds.calm_most_s(streams=True, is_probed=False) == pytest.approx(2.9)
    assert bounds.most_s() > 120
