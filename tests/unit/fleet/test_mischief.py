from __future__ import annotations

from math import inf

import pytest

from keepline.fleet.chance import Chance
from keepline.fleet.faults import Dying, Fault, Faults, Recurring, Storm
from keepline.fleet.mischief import LOOK_AGAIN_S, Mischief, mischief_of

DIES = Faults(die=Dying(share=1.0, every_s=20.0))


def planned(faults: Faults, *, started: float = 0.0, stream: int = 1) -> Mischief:
    mischief = mischief_of(faults, Chance(1, stream), started)
    assert mischief is not None
    return mischief


def test_a_good_device_has_none_and_draws_nothing() -> None:
    chance = Chance(1, 1)
    assert mischief_of(Faults(), chance, 0.0) is None
    assert chance.random() == Chance(1, 1).random()


def test_about_as_many_devices_are_faulty_as_the_share_says() -> None:
    faults = Faults(die=Dying(share=0.2))
    faulty = sum(mischief_of(faults, Chance(1, index), 0.0) is not None for index in range(2_000))
    assert faulty == pytest.approx(400, abs=60)


def test_the_same_seed_has_the_same_devices_with_the_same_faults() -> None:
    faults = Faults(die=Dying(share=0.3), hang_up=Recurring(share=0.3))

    def chosen(seed: int) -> list[list[Fault]]:
        found = [mischief_of(faults, Chance(seed, index), 0.0) for index in range(50)]
        return [[] if each is None else list(each._due) for each in found]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def test_a_fault_comes_once_in_its_time_and_is_planned_anew() -> None:
    mischief = planned(DIES)
    assert mischief.at == inf
    mischief.begin(100.0)
    first = mischief.at
    assert 105.0 <= first <= 135.0
    assert mischief.take(first - 0.01, talking=False) is None
    assert mischief.take(first, talking=False) is Fault.DIE
    assert first + 5.0 <= mischief.at <= first + 35.0
    mischief.end()
    assert mischief.at == inf


@pytest.mark.parametrize(("during", "talking"), [("talking", True), ("idle", False)])
def test_a_fault_waits_for_its_moment(during: object, *, talking: bool) -> None:
    mischief = planned(Faults(reset=Recurring(share=1.0, during=during)))  # type: ignore[arg-type]
    mischief.begin(0.0)
    at = mischief.at
    assert mischief.take(at, talking=not talking) is None
    assert mischief.at == at + LOOK_AGAIN_S
    assert mischief.take(mischief.at, talking=talking) is Fault.RESET


def test_a_storm_is_at_the_same_moment_for_everybody() -> None:
    faults = Faults(storm=Storm(share=1.0, every_s=10.0))
    for stream, connected_at in enumerate((100.5, 103.0, 109.9)):
        mischief = planned(faults, started=100.0, stream=stream)
        mischief.begin(connected_at)
        assert mischief.at == 110.0
        assert mischief.take(110.0, talking=True) is Fault.STORM
        assert mischief.at == 120.0


def test_a_storm_takes_about_its_share_each_time() -> None:
    faults = Faults(storm=Storm(share=0.25, every_s=10.0))
    taken = 0
    for stream in range(1_000):
        mischief = planned(faults, stream=stream)
        mischief.begin(1.0)
        taken += mischief.take(10.0, talking=False) is Fault.STORM
        assert mischief.at == 20.0
    assert taken == pytest.approx(250, abs=50)


def test_of_several_faults_the_next_is_taken() -> None:
    faults = Faults(die=Dying(share=1, every_s=1_000), hang_up=Recurring(share=1, every_s=1))
    mischief = planned(faults)
    mischief.begin(0.0)
    assert mischief.take(mischief.at, talking=False) is Fault.HANG_UP
