from __future__ import annotations

import pytest

from keepline.fleet.chance import Chance


def drawn(chance: Chance) -> list[object]:
    return [chance.random(), chance.uniform(3, 4), chance.randint(1, 9), chance.randbytes(16)]


def test_the_same_seed_and_stream_give_the_same_numbers() -> None:
    assert drawn(Chance(7, 3)) == drawn(Chance(7, 3))


def test_its_numbers_are_the_same_on_every_machine() -> None:
    assert Chance(1, 2).randbytes(8).hex() == "03726e4fdedd5aca"


@pytest.mark.parametrize("other", [(7, 4), (8, 3), (3, 7), (0, 0)])
def test_another_seed_or_stream_gives_others(other: tuple[int, int]) -> None:
    assert drawn(Chance(7, 3)) != drawn(Chance(*other))


def test_devices_of_one_seed_share_no_ids_among_a_hundred_thousand() -> None:
    assert len({Chance(1, index).randbytes(5) for index in range(100_000)}) > 99_990


def test_numbers_are_spread_evenly_and_stay_inside() -> None:
    chance = Chance(1, 1)
    found = [chance.random() for _ in range(10_000)]
    assert 0.0 <= min(found) < 0.001
    assert 0.999 < max(found) < 1.0
    assert sum(found) / len(found) == pytest.approx(0.5, abs=0.01)
    whole = [chance.randint(2, 4) for _ in range(3_000)]
    assert {number: round(whole.count(number) / 100) for number in set(whole)} == {
        2: 10,
        3: 10,
        4: 10,
    }
    assert {chance.choice("abc") for _ in range(100)} == {"a", "b", "c"}
    assert all(5.0 <= chance.uniform(5.0, 6.0) < 6.0 for _ in range(100))


@pytest.mark.parametrize("size", [0, 1, 4, 8, 9, 119])
def test_as_many_bytes_come_as_were_asked_for(size: int) -> None:
    assert len(Chance(1, 1).randbytes(size)) == size
