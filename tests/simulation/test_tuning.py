"""The whole gateway behind routers that forget: what learned intervals save, and whom they lose."""

from __future__ import annotations

import pytest

from tools.tuning_simulated import LEARNED, LEARNED_OWN, SEED_30, SEED_30_OWN, Fleet, Outcome, Way
from tools.tuning_trial import FORGETS_S

FIRMWARE = {"stock": (SEED_30, LEARNED, 100), "own": (SEED_30_OWN, LEARNED_OWN, 299)}


def lived(way: Way, *, devices: int, seed: int, hours: tuple[float, float]) -> tuple[Outcome, ...]:
    with Fleet(way, devices=devices, seed=seed) as fleet:
        return tuple(fleet.live(each) for each in hours)


def check(firmware: str, *, devices: int, seed: int, hours: tuple[float, float]) -> None:
    """In the first hours they are learned; those that follow are compared."""
    fixed, learned, most_s = FIRMWARE[firmware]
    first, later = lived(learned, devices=devices, seed=seed, hours=hours)
    fixed_first, fixed_later = lived(fixed, devices=devices, seed=seed, hours=hours)
    assert later.pings <= 0.5 * fixed_later.pings, seed
    assert later.lost == 0, seed
    reach = sum(forgets_s <= most_s for forgets_s in FORGETS_S)
    assert first.lost <= reach, seed
    if firmware == "stock":  # whom keepalives put out of step
        assert first.lost <= fixed_first.lost, seed


@pytest.mark.parametrize("firmware", FIRMWARE)
def test_learned_intervals_halve_the_pings_of_every_30_s_and_lose_no_more(firmware: str) -> None:
    check(firmware, devices=2, seed=1, hours=(2.0, 0.5))


@pytest.mark.soak
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_so_it_is_whatever_the_seed(firmware: str) -> None:
    for seed in range(2, 22):
        check(firmware, devices=2, seed=seed, hours=(2.0, 0.5))


@pytest.mark.soak
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_so_it_is_in_whole_days(firmware: str) -> None:
    check(firmware, devices=4, seed=1, hours=(24.0, 24.0))
