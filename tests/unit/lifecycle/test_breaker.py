"""Many suspicions at once are one incident, not many dead devices."""

from __future__ import annotations

from itertools import pairwise

import pytest

from keepline.lifecycle.breaker import SuspicionBreaker, longest_doubt_s
from keepline.lifecycle.heartbeat import HeartbeatPolicy

START = 1_000.0
FLEET = 1_000
DOUBT_S = 10.0


def tripped(suspicions: int = 200) -> SuspicionBreaker:
    breaker = SuspicionBreaker(START, DOUBT_S)
    for _ in range(suspicions):
        breaker.note(START)
    assert breaker.tripped
    return breaker


def reap_all(breaker: SuspicionBreaker, start: float, waiting: int, fleet: int) -> list[float]:
    """Ask for every waiting zombie once a second; return when each was let go."""
    reaped: list[float] = []
    for second in range(10_000):
        now = start + second
        breaker.settle(now)
        granted = sum(breaker.may_reap(now, fleet) for _ in range(waiting - len(reaped)))
        reaped += [now] * granted
        if len(reaped) == waiting:
            return reaped
    raise AssertionError("some were never let go")


def test_five_suspicions_do_not_trip_and_everybody_may_be_reaped() -> None:
    breaker = SuspicionBreaker(START, DOUBT_S)
    assert not any(breaker.note(START + 0.1 * number) for number in range(5))
    assert all(breaker.may_reap(START + 1, FLEET) for _ in range(5))
    assert not breaker.tripped


def test_a_mass_trips_once() -> None:
    breaker = SuspicionBreaker(START, DOUBT_S)
    trips = [breaker.note(START + number / 100) for number in range(500)]
    assert trips.index(True) == 20
    assert trips.count(True) == 1


def test_the_same_number_spread_over_minutes_does_not_trip() -> None:
    breaker = SuspicionBreaker(START, DOUBT_S)
    assert not any(breaker.note(START + number) for number in range(500))


def test_while_tripped_one_percent_of_the_fleet_is_reaped_per_second() -> None:
    reaped = reap_all(tripped(), START, 200, FLEET)
    for second in range(1, 21):
        assert reaped.count(START + second) == 10
    assert reaped[-1] == START + 20


def test_asking_oftener_reaps_no_faster() -> None:
    breaker = tripped()
    reaped = sum(breaker.may_reap(START + number / 1_000, FLEET) for number in range(5_000))
    assert 49 <= reaped <= 50


def test_time_in_which_nobody_asks_is_not_saved_up() -> None:
    breaker = tripped()
    granted = [breaker.may_reap(START + 300, FLEET) for _ in range(100)]
    assert granted.count(True) == 10
    small = tripped()
    assert [small.may_reap(START + 10_000, 30) for _ in range(3)] == [True, False, False]
    assert not small.may_reap(START + 10_003.3, 30)
    assert small.may_reap(START + 10_003.4, 30)


def test_an_incident_begins_with_nothing_to_spend() -> None:
    breaker = SuspicionBreaker(START, DOUBT_S)
    for at in (START + 100, START + 200):
        assert any(breaker.note(at) for _ in range(200))
        assert not breaker.may_reap(at, FLEET)
        assert breaker.may_reap(at + 1, FLEET)  # of ten; what is left is no one's
        assert breaker.settle(at + 50)


def test_a_small_fleet_is_reaped_one_by_one() -> None:
    reaped = reap_all(tripped(30), START, 5, 30)
    gaps = [later - earlier for earlier, later in pairwise(reaped)]
    assert all(3 <= gap <= 4 for gap in gaps)


def test_it_releases_once_when_suspicions_are_rare_again() -> None:
    breaker = tripped()
    assert not breaker.settle(START + 10 - 1)
    releases = [breaker.settle(START + second) for second in range(10, 60)]
    assert releases == [True] + [False] * 49
    assert breaker.may_reap(START + 60, FLEET)


def test_it_does_not_release_while_zombies_are_still_held_back() -> None:
    breaker = tripped()
    for second in range(1, 15):
        assert not breaker.settle(START + second)
        while breaker.may_reap(START + second, FLEET):
            pass
    assert breaker.tripped
    assert not breaker.settle(START + 14 + 10 - 1)
    assert breaker.settle(START + 14 + 10)


def test_it_holds_until_who_was_suspected_has_been_judged() -> None:
    """Under the seed's rules 30 s lie between a suspicion and its verdict."""
    breaker = SuspicionBreaker(START, longest_doubt_s(HeartbeatPolicy(preset="seed")))
    for _ in range(200):
        breaker.note(START)
    for second in range(1, 31):
        assert breaker.settle(START + second) == (second == 30)


def test_suspicions_that_go_on_prolong_the_incident() -> None:
    breaker = SuspicionBreaker(START, 30.0)
    for second in range(20):
        for _ in range(30):
            breaker.note(START + second)
        breaker.settle(START + second)
    releases = [second for second in range(20, 120) if breaker.settle(START + second)]
    assert len(releases) == 1
    assert 49 <= releases[0] <= 60


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (HeartbeatPolicy(preset="seed"), 30.0),
        (HeartbeatPolicy(), 45.0),
        (HeartbeatPolicy(probe_max_s=2.0), 30.0),
        (HeartbeatPolicy(probe_max_s=60.0), 90.0),
    ],
    ids=["seed", "adaptive", "short patience", "never beyond zombie_s"],
)
def test_a_doubt_lasts_as_long_as_the_slowest_verdict(
    policy: HeartbeatPolicy, expected: float
) -> None:
    assert longest_doubt_s(policy) == expected


def test_it_trips_again_in_the_next_incident() -> None:
    breaker = tripped()
    assert breaker.settle(START + 60)
    assert any(breaker.note(START + 61) for _ in range(200))


def test_a_fleet_that_is_always_noisy_teaches_what_is_usual() -> None:
    breaker = SuspicionBreaker(START, DOUBT_S)
    trips = 0
    for second in range(3_600):
        now = START + second
        trips += sum(breaker.note(now) for _ in range(6))
        breaker.settle(now)
    assert trips <= 1
    assert not breaker.tripped
    assert breaker.limit == pytest.approx(60 + 4 * 60**0.5, rel=0.01)
    assert any(breaker.note(START + 3_600) for _ in range(200))


def test_what_is_usual_is_learned_within_minutes() -> None:
    breaker = SuspicionBreaker(START, DOUBT_S)
    for second in range(310):
        breaker.settle(START + second)
        breaker.note(START + second)
    assert breaker._usual == pytest.approx(10 * (1 - 1 / 2.718), rel=0.05)


def test_an_incident_does_not_pass_for_usual() -> None:
    breaker = tripped(5_000)
    for second in range(30):
        breaker.settle(START + second)
    learned = 2 * 20 * (1 - (1 - 1 / 300) ** 10)
    assert breaker._usual == pytest.approx(learned * (1 - 1 / 300) ** 19, rel=0.01)


def test_what_was_usual_is_forgotten_in_a_long_quiet_time() -> None:
    breaker = SuspicionBreaker(START, DOUBT_S)
    for second in range(3_600):
        for _ in range(6):
            breaker.note(START + second)
    breaker.settle(START + 3_600 + 300)
    assert breaker._usual == pytest.approx(60 / 2.718, rel=0.05)
    breaker.settle(START + 3 * 3_600)
    assert breaker.limit == 20
    assert breaker.suspicions == 0
