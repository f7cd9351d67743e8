from __future__ import annotations

import pytest

from keepline.errors import RefusedError
from keepline.gateway.addresses import BURST_S, Addresses
from keepline.reasons import CloseReason
from keepline.settings.server import Server

FAR = "192.0.2.7"


def made(connections: int | None = None, per_s: int | None = None) -> Addresses:
    return Addresses(Server(connections_per_address=connections, accepts_per_address_per_s=per_s))


def refused(addresses: Addresses, address: str, now: float = 0.0) -> RefusedError:
    with pytest.raises(RefusedError) as error:
        addresses.enter(address, now)
    return error.value


def test_an_address_may_hold_as_many_connections_as_the_limit_and_no_more() -> None:
    addresses = made(connections=3)
    for _ in range(3):
        addresses.enter(FAR, 0.0)
    error = refused(addresses, FAR)
    assert error.reason is CloseReason.ADDRESS_FULL
    assert error.retry_after_s
    addresses.enter("192.0.2.8", 0.0)
    addresses.leave(FAR)
    addresses.enter(FAR, 0.0)
    refused(addresses, FAR)


def test_a_whole_ipv6_network_counts_as_one_address() -> None:
    addresses = made(connections=2)
    addresses.enter("2001:db8:1:2::7", 0.0)
    addresses.enter("2001:db8:1:2:ffff::8", 0.0)
    refused(addresses, "2001:db8:1:2::9")
    addresses.enter("2001:db8:1:3::9", 0.0)
    addresses.leave("2001:db8:1:2::7")
    addresses.enter("2001:db8:1:2::9", 0.0)


def test_an_address_may_come_as_often_as_the_limit_and_no_more() -> None:
    addresses = made(per_s=10)
    for _ in range(10 * BURST_S):
        addresses.enter(FAR, 0.0)
    error = refused(addresses, FAR)
    assert error.reason is CloseReason.RATE_LIMITED
    assert error.retry_after_s == 1
    addresses.enter("192.0.2.8", 0.0)
    for _ in range(10):
        addresses.enter(FAR, 1.001)
    refused(addresses, FAR, 1.001)


def test_who_was_refused_is_not_counted() -> None:
    addresses = made(connections=1)
    addresses.enter(FAR, 0.0)
    refused(addresses, FAR)
    addresses.leave(FAR)
    assert len(addresses) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", ""])
def test_this_machine_itself_is_not_bounded(address: str) -> None:
    addresses = made(connections=1, per_s=1)
    assert {addresses.enter(address, 0.0) for _ in range(100)} == {address}


def test_without_limits_nobody_is_bounded() -> None:
    addresses = made()
    for _ in range(100):
        addresses.enter(FAR, 0.0)
    assert addresses.connections(FAR) == 100


@pytest.mark.parametrize("address", [FAR, "2001:db8::7"])
def test_an_address_is_one_text_for_all_that_come_from_there(address: str) -> None:
    addresses = made()
    first = addresses.enter(address, 0.0)
    second = addresses.enter("".join(list(address)), 0.0)
    assert first == second == address
    assert first is second or ":" in address  # of a /64 each has an address of its own


def test_nothing_is_kept_of_who_has_left() -> None:
    addresses = made(connections=5, per_s=10)
    many = [f"198.51.{number // 250}.{number % 250}" for number in range(5_000)]
    for address in many:
        addresses.enter(address, 0.0)
    assert len(addresses) == 5_000
    for address in many:
        addresses.leave(address)
    assert len(addresses) == 0
    assert addresses._throttle is not None
    assert len(addresses._throttle) == 5_000
    addresses.each_second(0.05)
    assert len(addresses._throttle) == 5_000
    addresses.each_second(BURST_S + 0.1)
    assert len(addresses._throttle) == 0


def test_an_address_may_have_as_many_handshakes_under_way_as_the_limit_and_no_more() -> None:
    addresses = Addresses(Server(handshakes_per_address=3))
    for _ in range(3):
        addresses.enter(FAR, 0.0)
    error = refused(addresses, FAR)
    assert error.reason is CloseReason.ADDRESS_FULL
    assert error.retry_after_s == 1
    addresses.enter("192.0.2.8", 0.0)
    addresses.upgraded(FAR)
    addresses.enter(FAR, 0.0)
    refused(addresses, FAR)


def test_a_handshake_that_ends_makes_room_for_another_and_a_device_that_leaves_does_not() -> None:
    addresses = Addresses(Server(handshakes_per_address=2))
    addresses.enter(FAR, 0.0)
    addresses.upgraded(FAR)
    for _ in range(2):
        addresses.enter(FAR, 0.0)
    addresses.leave(FAR)  # the device
    refused(addresses, FAR)
    addresses.leave(FAR, arriving=True)
    addresses.enter(FAR, 0.0)
    refused(addresses, FAR)


def test_this_machine_may_have_any_number_of_handshakes() -> None:
    addresses = Addresses(Server(handshakes_per_address=1))
    for _ in range(10):
        addresses.enter("127.0.0.1", 0.0)
    assert addresses.connections("127.0.0.1") == 10


def test_of_an_address_that_never_entered_no_upgrade_is_counted() -> None:
    addresses = Addresses(Server(handshakes_per_address=1))
    addresses.upgraded(FAR)
    addresses.enter(FAR, 0.0)
    refused(addresses, FAR)


def test_an_address_is_half_crowded_beyond_half_of_its_handshakes_and_unbounded_ones_never() -> (
    None
):
    addresses = Addresses(Server(handshakes_per_address=4))
    for _ in range(2):
        addresses.enter(FAR, 0.0)
    assert not addresses.is_half_crowded(FAR)
    addresses.enter(FAR, 0.0)
    assert addresses.is_half_crowded(FAR)
    addresses.upgraded(FAR)
    assert not addresses.is_half_crowded(FAR)
    for _ in range(9):
        addresses.enter("127.0.0.1", 0.0)
    assert not addresses.is_half_crowded("127.0.0.1")
    assert not Addresses(Server(handshakes_per_address=None)).is_half_crowded(FAR)
