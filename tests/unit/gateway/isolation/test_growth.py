from __future__ import annotations

from keepline.gateway.isolation.growth import LEAST, LOOKS, NOTHING, Load, Trail, rises


def test_numbers_rise_when_each_is_more_and_all_of_them_by_enough() -> None:
    step = LEAST // (LOOKS - 1)
    at = [step * number for number in range(LOOKS)]
    assert rises(at)
    assert not rises(at[:-1])  # one look too few
    assert not rises([*at[:-1], at[-2]])  # it stands still
    assert not rises([each // step for each in at])  # too little


def test_what_goes_up_and_down_does_not_rise() -> None:
    assert not rises([0, 50, 10, 60, 100])


def test_a_trail_keeps_the_last_looks_and_says_what_grows() -> None:
    trail = Trail()
    assert trail.latest == NOTHING
    for number in range(LOOKS + 3):
        trail = trail.then(Load(number * LEAST, 7, 0))
    assert len(trail.loads) == LOOKS
    assert trail.growing == ("tasks",)
    assert trail.latest == Load((LOOKS + 2) * LEAST, 7, 0)


def test_loads_add_up() -> None:
    assert Load(1, 2, 3).plus(Load(10, 20, 30)) == Load(11, 22, 33)
