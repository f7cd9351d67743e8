"""The whole gateway behind routers that forget: what learned intervals save, and whom they lose."""

from __future__ import annotations

import pytest

from tools.tuning_simulated import LEARNED, LEARNED_OWN, SEED_30, SEED_30_OWN, Fleet, Outcome, Way
from tools.tuning_trial import FORGETS_S

FIRMWARE = {"stock": (SEED_30, LEARNED, 100), "own": (SEED_30_OWN, LEARNED_OWN, 299)}


def lived(way: Way, *, devices: int, seed: int, hours: tuple[float, float]) -> tuple[Outcome, ...]:
    with Fleet(way, devices=devices, seed=seed) as fleet:
        return tuple(fleet.live(each) for each in hours)


@pytest.mark.parametrize("firmware", FIRMWARE)
def test_learned_intervals_halve_the_pings_of_every_30_s_and_lose_no_more(firmware: str) -> None:
    """Of two hours in which they are learned, and the half hour that follows."""
    fixed, learned, most_s = FIRMWARE[firmware]
    hours = (2.0, 0.5)
    first, later = lived(learned, devices=2, seed=1, hours=hours)
    fixed_first, fixed_later = lived(fixed, devices=2, seed=1, hours=hours)
    assert later.pings <= 0.5 * fixed_later.pings
    assert later.lost == 0 <= fixed_later.lost
    assert all(lost <= (forgets_s <= most_s) for forgets_s, lost in first.forgotten.items())
    if firmware == "stock":  # how the others' phases lie decides whom every 30 s loses at 30 s
        assert first.lost <= fixed_first.lost


@pytest.mark.soak
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_so_it_is_in_whole_days(firmware: str) -> None:
    fixed, learned, most_s = FIRMWARE[firmware]
    reach = sum(forgets_s <= most_s for forgets_s in FORGETS_S)
    for seed in (1, 2, 3):
        days = lived(learned, devices=4, seed=seed, hours=(24.0, 24.0))
        fixed_days = lived(fixed, devices=4, seed=seed, hours=(24.0, 24.0))
        for day, fixed_day in zip(days, fixed_days, strict=True):
            assert day.pings <= 0.5 * fixed_day.pings, seed
        assert sum(day.lost for day in days) <= max(reach, sum(day.lost for day in fixed_days)), (
            seed
        )
