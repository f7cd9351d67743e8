from __future__ import annotations

from itertools import count

import pytest

from keepline.errors import RefusedError
from keepline.gateway.enrolment.applicant import Applicant
from keepline.gateway.enrolment.waiting import MOST_WRONG_PROOFS, Waiting

LIFE_S = 600.0


def waiting(
    *, most: int = 100, most_per_address: int = 10, codes: list[int] | None = None
) -> Waiting:
    numbers = iter(codes) if codes is not None else count(1)

    def draw(size: int) -> bytes:
        return (next(numbers) if size == 8 else 7).to_bytes(size)

    return Waiting(draw, life_s=LIFE_S, most=most, most_per_address=most_per_address)


def device(number: int = 1, client: str = "c", address: str = "192.0.2.1") -> Applicant:
    return Applicant(f"02:00:00:00:00:{number:02x}", client, address=address)


def test_a_code_has_six_digits_and_a_challenge_is_long() -> None:
    pending, is_new = waiting(codes=[42]).admit(device(), 0.0)
    assert is_new
    assert pending.code == "000042"
    assert len(pending.challenge) == 64


def test_who_asks_again_has_the_same_code_and_challenge() -> None:
    room = waiting()
    first, _ = room.admit(device(), 0.0)
    again, is_new = room.admit(device(), LIFE_S - 1)
    assert again is first
    assert not is_new


def test_another_client_of_the_same_device_has_a_code_of_its_own() -> None:
    room = waiting()
    mine, _ = room.admit(device(client="mine"), 0.0)
    theirs, _ = room.admit(device(client="theirs"), 0.0)
    assert mine.code != theirs.code
    assert room.find(device(client="mine"), 0.0) is mine


def test_two_never_have_the_same_code() -> None:
    room = waiting(codes=[5, 5, 1_000_005, 6])
    room.admit(device(1), 0.0)
    second, _ = room.admit(device(2), 0.0)
    assert second.code == "000006"


def test_a_code_that_was_worth_something_may_be_drawn_again() -> None:
    room = waiting(codes=[5, 5])
    room.remove(room.admit(device(1), 0.0)[0])
    assert room.admit(device(2), 0.0)[0].code == "000005"


def test_a_code_lives_as_long_as_it_should_and_no_longer() -> None:
    room = waiting()
    pending, _ = room.admit(device(), 0.0)
    assert room.by_code(pending.code, LIFE_S - 0.1) is pending
    assert room.by_code(pending.code, LIFE_S) is None
    assert len(room) == 0
    fresh, is_new = room.admit(device(), LIFE_S)
    assert is_new
    assert fresh.code != pending.code


@pytest.mark.parametrize(
    "code", ["", "000002", "00001", "0000011", "\uff10\uff10\uff10\uff10\uff10\uff11", "é"]
)
def test_a_wrong_code_is_nobody_s(code: str) -> None:
    room = waiting()
    room.admit(device(), 0.0)
    assert room.by_code(code, 0.0) is None


def test_one_address_may_have_so_many_waiting_and_no_more() -> None:
    room = waiting(most_per_address=2)
    room.admit(device(1), 0.0)
    room.admit(device(2), 0.0)
    with pytest.raises(RefusedError) as refused:
        room.admit(device(3), 0.0)
    assert refused.value.reason.status == 429
    assert refused.value.retry_after_s is not None
    room.admit(device(3, address="192.0.2.2"), 0.0)
    room.admit(device(1), 0.0)  # who waits already is not turned away


def test_the_addresses_of_one_ipv6_network_count_as_one() -> None:
    room = waiting(most_per_address=1)
    room.admit(device(1, address="2001:db8::1"), 0.0)
    with pytest.raises(RefusedError):
        room.admit(device(2, address="2001:db8::2"), 0.0)


def test_so_many_may_wait_in_all_and_a_flood_takes_nobody_s_place() -> None:
    room = waiting(most=2)
    first, _ = room.admit(device(1, address="192.0.2.1"), 0.0)
    room.admit(device(2, address="192.0.2.2"), 0.0)
    with pytest.raises(RefusedError):
        room.admit(device(3, address="192.0.2.3"), 0.0)
    assert room.by_code(first.code, 0.0) is first


def test_who_was_taken_out_makes_room_at_its_address() -> None:
    room = waiting(most_per_address=1)
    pending, _ = room.admit(device(1), 0.0)
    room.remove(pending)
    room.remove(pending)
    assert room.find(device(1), 0.0) is None
    room.admit(device(2), 0.0)
    with pytest.raises(RefusedError):
        room.admit(device(3), 0.0)


def test_after_so_many_wrong_proofs_none_counts_any_more() -> None:
    pending, _ = waiting().admit(device(), 0.0)
    pending.wrong_proofs = MOST_WRONG_PROOFS - 1
    assert pending.may_prove
    pending.wrong_proofs = MOST_WRONG_PROOFS
    assert not pending.may_prove
