from __future__ import annotations

import pytest

from keepline.gateway.throttle import Throttle, address_key


def test_a_burst_is_taken_at_once_and_one_more_is_not() -> None:
    throttle = Throttle(burst=3, refill_s=10.0)
    assert [throttle.take("a", 0.0) for _ in range(4)] == [True, True, True, False]


def test_one_comes_back_after_each_refill_time() -> None:
    throttle = Throttle(burst=1, refill_s=10.0)
    assert throttle.take("a", 0.0)
    assert throttle.wait_s("a", 4.0) == pytest.approx(6.0)
    assert not throttle.take("a", 9.9)
    assert throttle.take("a", 10.0)


def test_a_long_wait_saves_up_no_more_than_the_burst() -> None:
    throttle = Throttle(burst=2, refill_s=1.0)
    throttle.take("a", 0.0)
    assert [throttle.take("a", 1_000.0) for _ in range(3)] == [True, True, False]


def test_keys_do_not_take_from_each_other() -> None:
    throttle = Throttle(burst=1, refill_s=10.0)
    assert throttle.take("a", 0.0)
    assert throttle.take("b", 0.0)


def test_nobody_waits_who_has_not_taken() -> None:
    assert Throttle(burst=1, refill_s=10.0).wait_s("a", 0.0) == 0.0


def test_what_is_forgotten_begins_anew() -> None:
    throttle = Throttle(burst=1, refill_s=10.0)
    throttle.take("a", 0.0)
    throttle.forget("a")
    assert throttle.take("a", 0.0)


def test_only_keys_that_have_their_whole_burst_back_are_forgotten_by_time() -> None:
    throttle = Throttle(burst=2, refill_s=10.0)
    throttle.take("a", 0.0)
    throttle.take("b", 5.0)
    throttle.take("a", 6.0)
    throttle.forget_full(24.9)
    assert len(throttle) == 2
    throttle.forget_full(25.0)
    assert len(throttle) == 1
    throttle.forget_full(26.0)
    assert len(throttle) == 0


@pytest.mark.parametrize(("keys", "held"), [(9, 9), (10, 10), (11, 10), (1_000, 10)])
def test_it_holds_no_more_keys_than_its_limit(keys: int, held: int) -> None:
    throttle = Throttle(burst=1, refill_s=10.0, most_keys=10)
    for number in range(keys):
        throttle.take(str(number), 0.0)
    assert len(throttle) == held


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_addresses_of_one_origin_share_a_key(address: str, key: str) -> None:
    assert address_key(address) == key
