from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepline.relay.upstreams.pool import Pool
from keepline.relay.upstreams.upstream import Change, Upstream
from tests.unit.relay.upstreams.pools import connect, eject, pool_of

DEVICES = [f"device-{number}" for number in range(2_000)]


def shares(pool: Pool, random: Random, now: float, choices: int = 2_000) -> Counter[int]:
    """Return how often each was chosen, with nobody staying."""
    counts: Counter[int] = Counter()
    for number in range(choices):
        chosen = pool.choose(f"device-{number}", now, random.random)
        assert chosen is not None
        counts[chosen.index] += 1
        chosen.opened(now)
        chosen.closed(now)
    return counts


# -- the less loaded of two ----------------------------------------------------------------


@given(st.integers(1, 12), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_many_devices_are_spread_within_a_few(number: int, seed: int) -> None:
    pool, random = pool_of(number), Random(seed)
    for _ in range(100 * number):
        connect(pool, random)
    lives = [each.live for each in pool.upstreams]
    assert sum(lives) == 100 * number
    # Two choices differ by log log n; one choice alone by tens.
    assert max(lives) - min(lives) <= 12


def test_the_less_loaded_of_two_is_chosen() -> None:
    pool, random = pool_of(2), Random(1)
    for _ in range(10):
        pool.upstreams[0].begin()
        pool.upstreams[0].opened(0.0)
    assert {connect(pool, random).index for _ in range(9)} == {1}


def test_one_that_answers_late_gets_fewer() -> None:
    pool, random = pool_of(2), Random(2)
    pool.upstreams[0].latency(0.4)
    pool.upstreams[1].latency(0.1)
    for _ in range(500):
        connect(pool, random)
    slow, quick = (each.live for each in pool.upstreams)
    assert slow * 3 < quick < slow * 5


@pytest.mark.parametrize(("first_s", "second_s"), [(0.001, 0.1), (0.8, 60.0), (0.1, 0.1)])
def test_a_latency_beyond_the_bounds_counts_as_the_bound(first_s: float, second_s: float) -> None:
    pool, random = pool_of(2), Random(3)
    pool.upstreams[0].latency(first_s)
    pool.upstreams[1].latency(second_s)
    for _ in range(400):
        connect(pool, random)
    lives = [each.live for each in pool.upstreams]
    assert max(lives) - min(lives) <= 2


def test_those_to_be_avoided_are_not_chosen() -> None:
    pool, random = pool_of(3), Random(4)
    avoid: list[Upstream] = []
    for _ in range(3):
        chosen = pool.choose("d", 0.0, random.random, avoid)
        assert chosen is not None
        assert chosen not in avoid
        avoid.append(chosen)
    assert pool.choose("d", 0.0, random.random, avoid) is None


def test_an_empty_pool_has_nobody_to_choose() -> None:
    assert pool_of(0).choose("d", 0.0, Random(5).random) is None


@pytest.mark.parametrize("sticky", [False, True])
def test_no_more_connects_are_under_way_than_may_be(*, sticky: bool) -> None:
    pool, random = pool_of(3, connects=4, sticky=sticky), Random(6)
    taken = [pool.choose(device, 0.0, random.random) for device in DEVICES]
    assert [each.opening for each in pool.upstreams] == [4, 4, 4]
    assert sum(each is not None for each in taken) == 12
    pool.upstreams[1].opened(0.0)
    again = {pool.choose(device, 0.0, random.random) for device in DEVICES}
    assert again == {pool.upstreams[1], None}


# -- ejected, tried, back -------------------------------------------------------------------


def test_an_ejected_one_gets_nothing_but_trials() -> None:
    pool, random = pool_of(3, eject_s=10.0), Random(7)
    eject(pool.upstreams[0])
    assert set(shares(pool, random, 9.9)) == {1, 2}
    trial = pool.choose("d", 10.0, random.random)
    assert trial is pool.upstreams[0]
    assert set(shares(pool, random, 10.0)) == {1, 2}
    trial.failed(10.0, "refused")
    assert set(shares(pool, random, 29.9)) == {1, 2}


@given(st.integers(2, 8), st.integers(0, 2**32), st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_happens_ejected_ones_are_left_alone_below_panic(
    number: int, seed: int, data: st.DataObject
) -> None:
    pool, random = pool_of(number, most_ejected=0.5), Random(seed)
    ejected = data.draw(st.sets(st.integers(0, number - 1), max_size=number // 2))
    for index in ejected:
        eject(pool.upstreams[index])
    assert not ejected & set(shares(pool, random, 5.0, 200))
    assert not pool.panicking


@pytest.mark.parametrize(("ejected", "panicking"), [(1, False), (2, False), (3, True), (4, True)])
def test_beyond_its_share_of_ejected_ones_all_serve(ejected: int, *, panicking: bool) -> None:
    pool, random = pool_of(4, most_ejected=0.5, eject_s=100.0), Random(8)
    for each in pool.upstreams[:ejected]:
        eject(each)
    chosen = {pool.choose("d", 1.0, random.random) for _ in range(100)} - {None}
    assert pool.panicking is panicking
    assert len(chosen) == (4 if panicking else 4 - ejected)


def test_a_single_upstream_is_never_given_up() -> None:
    pool, random = pool_of(1), Random(9)
    eject(pool.upstreams[0])
    assert connect(pool, random, 1.0) is pool.upstreams[0]
    assert not pool.upstreams[0].is_ejected


def test_panic_ends_when_enough_have_answered() -> None:
    pool, random = pool_of(4, slow_start_s=0.0), Random(10)
    for each in pool.upstreams:
        eject(each)
    for _ in range(40):
        connect(pool, random, 1.0)
    assert not pool.panicking
    assert sum(each.is_ejected for each in pool.upstreams) == 2  # these wait for their trials


@pytest.mark.parametrize("sticky", [False, True])
def test_one_that_is_back_takes_its_share_little_by_little(*, sticky: bool) -> None:
    pool, random = pool_of(4, slow_start_s=30.0, sticky=sticky), Random(11)
    back = pool.upstreams[0]
    eject(back)
    back.begin()
    back.opened(10.0)
    back.closed(10.0)
    taken = [shares(pool, random, 10.0 + after)[0] for after in (0.0, 7.5, 15.0, 22.5, 30.0)]
    assert taken == sorted(taken)
    assert taken[0] < 2_000 * 0.1
    assert 2_000 * 0.2 < taken[-1] < 2_000 * 0.35


def test_one_that_is_back_without_load_is_not_flooded() -> None:
    pool, random = pool_of(2, slow_start_s=30.0), Random(12)
    for _ in range(500):
        connect(pool, random)
    back = pool.upstreams[0]
    eject(back)
    for _ in range(back.live):
        back.closed(0.0)
    assert pool.choose("d", 10.0, random.random) is back
    back.opened(10.0)
    taken = sum(connect(pool, random, 13.0) is back for _ in range(200))
    assert taken < 200 * 0.2


def test_when_all_come_back_together_all_serve() -> None:
    pool, random = pool_of(3), Random(13)
    for each in pool.upstreams:
        each.drain()
        each.undrain(0.0)
    assert set(shares(pool, random, 0.0)) == {0, 1, 2}


# -- sticky ---------------------------------------------------------------------------------


def owners(pool: Pool, now: float = 0.0) -> dict[str, Upstream]:
    found = {}
    for device in DEVICES:
        chosen = pool.choose(device, now, Random(0).random)
        assert chosen is not None
        chosen.abandoned()
        found[device] = chosen
    return found


def test_sticky_devices_stay_where_they_are_whatever_the_load() -> None:
    pool = pool_of(5, sticky=True)
    before = owners(pool)
    for _ in range(300):
        pool.upstreams[0].begin()
        pool.upstreams[0].opened(0.0)
    assert owners(pool) == before
    assert all(300 < count < 500 for count in Counter(before.values()).values())


def test_when_one_is_ejected_its_devices_move_and_no_others() -> None:
    pool = pool_of(5, sticky=True, slow_start_s=30.0)
    before = owners(pool)
    gone = pool.upstreams[3]
    eject(gone)
    during = owners(pool, 1.0)
    assert {device for device in DEVICES if before[device] is not during[device]} == {
        device for device in DEVICES if before[device] is gone
    }
    gone.begin()
    gone.opened(10.0)
    assert owners(pool, 40.0) == before


def test_while_it_comes_back_no_device_goes_to_and_fro() -> None:
    pool = pool_of(3, sticky=True, slow_start_s=30.0)
    back = pool.upstreams[0]
    eject(back)
    back.begin()
    back.opened(0.0)
    returned: set[str] = set()
    for now in (0.0, 5.0, 10.0, 20.0, 30.0):
        there = {device for device, owner in owners(pool, now).items() if owner is back}
        assert returned <= there
        returned = there


def test_a_trial_of_a_sticky_one_is_made_by_a_device_of_its_own() -> None:
    pool = pool_of(3, sticky=True, eject_s=10.0)
    before = owners(pool)
    eject(pool.upstreams[0])
    assert owners(pool, 10.0) == before


# -- draining -------------------------------------------------------------------------------


@pytest.mark.parametrize("sticky", [False, True])
def test_a_draining_one_gets_nothing_at_all(*, sticky: bool) -> None:
    told: list[Change] = []
    pool, random = pool_of(3, told, sticky=sticky), Random(14)
    pool.upstreams[2].drain()
    assert set(shares(pool, random, 0.0)) == {0, 1}
    eject(pool.upstreams[0])
    eject(pool.upstreams[1])
    assert set(shares(pool, random, 1.0)) <= {0, 1}
    assert told[0].what == "draining"


def test_when_all_are_draining_there_is_nobody() -> None:
    pool = pool_of(2)
    for each in pool.upstreams:
        each.drain()
    assert pool.choose("d", 0.0, Random(15).random) is None


def test_panic_is_told_when_it_begins_and_when_it_ends() -> None:
    told: list[Change] = []
    pool, random = pool_of(2, told, slow_start_s=0.0), Random(16)
    for each in pool.upstreams:
        eject(each)
    for _ in range(9):
        connect(pool, random, 1.0)
    assert [each.what for each in told] == ["ejected", "ejected", "panic", "returned", "panic_over"]


def test_an_upstream_is_found_by_its_name_or_its_url() -> None:
    pool = pool_of(2)
    assert pool.find(pool.upstreams[1].name) is pool.upstreams[1]
    assert pool.find(pool.upstreams[1].url) is pool.upstreams[1]
    assert pool.find("ws://elsewhere/") is None
