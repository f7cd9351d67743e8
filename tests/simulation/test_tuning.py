"""The whole gateway behind routers that forget: what learned intervals save, and whom they lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keepline.simulation.world import ROUGH, World
from tools.tuning_simulated import LEARNED, LEARNED_OWN, SEED_30, SEED_30_OWN, Fleet, Outcome, Way
from tools.tuning_trial import FORGETS_S

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRMWARE = {"stock": (SEED_30, LEARNED, 100), "own": (SEED_30_OWN, LEARNED_OWN, 299)}


def lived(way: Way, *, devices: int, seed: int, hours: tuple[float, float]) -> tuple[Outcome, ...]:
    with Fleet(way, devices=devices, seed=seed) as fleet:
        return tuple(fleet.live(each) for each in hours)


def check(
    firmware: str,
    seeds: Sequence[int],
    *,
    devices: int = 2,
    hours: tuple[float, float] = (2.0, 0.5),
) -> None:
    """In the first hours they are learned; the pings of those that follow are compared."""
    fixed, learned, most_s = FIRMWARE[firmware]
    reach = sum(forgets_s <= most_s for forgets_s in FORGETS_S)
    pings = fixed_pings = 0
    for seed in seeds:
        first, later = lived(learned, devices=devices, seed=seed, hours=hours)
        fixed_first, fixed_later = lived(fixed, devices=devices, seed=seed, hours=hours)
        pings, fixed_pings = pings + later.pings, fixed_pings + fixed_later.pings
        assert later.lost == 0, seed
        assert first.lost <= reach, seed
        if firmware == "stock":  # whom keepalives put out of step
            assert first.lost <= fixed_first.lost, seed
    assert pings <= 0.5 * fixed_pings


@pytest.mark.parametrize("firmware", FIRMWARE)
def test_learned_intervals_halve_the_pings_of_every_30_s_and_lose_no_more(firmware: str) -> None:
    check(firmware, [1])


@pytest.mark.parametrize("seed", [700, 701])
def test_what_must_hold_holds_while_intervals_are_learned_and_routers_forget(seed: int) -> None:
    world = World(seed, ROUGH, settings={"tuning": {"verdict_s": 120.0}})
    for plug in list(world.plugs.values())[::3]:
        plug.path.forgets_s = 4.0
    world.begin()
    world.live(ROUGH.hours)
    world.close()
    assert any(plug.path.forgotten for plug in world.plugs.values())


@pytest.mark.soak
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_so_it_is_with_twenty_seeds(firmware: str) -> None:
    check(firmware, range(2, 22))


@pytest.mark.soak
@pytest.mark.parametrize("firmware", FIRMWARE)
def test_so_it_is_in_whole_days(firmware: str) -> None:
    check(firmware, [1], devices=4, hours=(24.0, 24.0))
