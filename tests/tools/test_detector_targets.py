"""What the failure detector is to reach, on a fleet that is large enough to see it missed."""

from __future__ import annotations

import pytest

from tools.detector_measures import (
    ADAPTIVE,
    LISTED,
    SEED,
    detection_s,
    mass_death,
    mistakes,
    one_stall,
)
from tools.detector_traces import JITTERY, NAPS, QUIET, Trace

DEATHS = 150
SMALL_FLEET = 200


@pytest.mark.parametrize("trace", [QUIET, JITTERY], ids=lambda trace: trace.name)
def test_who_dies_idle_is_given_up_within_25_s(trace: Trace) -> None:
    times_s = detection_s(trace, ADAPTIVE, DEATHS)
    assert len(times_s) == DEATHS
    assert 18.6 <= times_s[0] <= times_s[-1] <= 25.0


def test_who_dies_talking_is_given_up_within_3_s() -> None:
    times_s = detection_s(QUIET, ADAPTIVE, DEATHS, talking=True)
    assert len(times_s) == DEATHS
    assert 2.5 <= times_s[0] <= times_s[-1] <= 3.0


def test_the_seed_s_rules_take_90_s_and_the_listing_up_to_100_s() -> None:
    seed_s, listed_s = (detection_s(QUIET, each, DEATHS) for each in (SEED, LISTED))
    assert 89.9 <= seed_s[0] <= seed_s[-1] <= 90.3
    assert 90.0 <= listed_s[0] <= listed_s[-1] <= 100.3


def test_a_jittery_network_loses_nobody_who_is_idle() -> None:
    found = mistakes(JITTERY, ADAPTIVE, 15.0, fleet=SMALL_FLEET)
    assert found.idle == 0
    assert 0 < found.suspicions_per_day < 20.0
    assert found.pings_per_h < 250.0


def test_a_radio_that_naps_is_learned_and_hardly_ever_suspected() -> None:
    found = mistakes(NAPS, ADAPTIVE, 10.0, fleet=SMALL_FLEET)
    assert found.idle == found.in_talk == 0
    assert found.suspicions_per_day < 10.0


@pytest.mark.parametrize("trace", [QUIET, JITTERY, NAPS], ids=lambda trace: trace.name)
def test_a_stall_of_our_own_of_5_s_loses_nobody(trace: Trace) -> None:
    stalled = one_stall(trace, ADAPTIVE, 5.0, SMALL_FLEET)
    assert stalled.mistakes == 0


def test_half_a_fleet_that_dies_at_once_is_one_incident_and_gone_within_two_minutes() -> None:
    found = mass_death(QUIET, ADAPTIVE, SMALL_FLEET)
    assert found.incidents == 1
    assert found.mistakes == 0
    assert found.last_s <= 25.0
    assert found.all_s <= 120.0


def test_a_trial_gives_the_same_numbers_each_time() -> None:
    one, two = (mistakes(JITTERY, ADAPTIVE, 1.0, fleet=50) for _ in range(2))
    assert one == two
