"""What learned intervals save on routers that forget, and what they cost."""

from __future__ import annotations

import pytest

from tools.tuning_trial import (
    FORGETS_S,
    LEARNED,
    LEARNED_OWN,
    SEED_30,
    Fleet,
    Way,
    pings_and_lost,
    table,
    tried,
)


@pytest.fixture(scope="module")
def fleets() -> dict[str, Fleet]:
    return {way.name: tried(way, devices=2, days=2) for way in (SEED_30, LEARNED, LEARNED_OWN)}


@pytest.mark.parametrize("way", [LEARNED, LEARNED_OWN])
def test_learned_intervals_halve_the_pings_and_then_lose_nobody(
    fleets: dict[str, Fleet], way: Way
) -> None:
    pings, lost = pings_and_lost(fleets[way.name], 1, 1)
    fixed_pings, fixed_lost = pings_and_lost(fleets[SEED_30.name], 1, 1)
    assert pings <= 0.5 * fixed_pings
    assert lost <= fixed_lost


@pytest.mark.parametrize(("way", "most_s"), [(LEARNED, 110), (LEARNED_OWN, 300)])
def test_to_learn_costs_two_connections_of_a_router_that_forgets_sooner(
    fleets: dict[str, Fleet], way: Way, most_s: float
) -> None:
    lost = [days[0].lost for days in fleets[way.name].outcomes.values()]
    reach = sum(forgets_s <= most_s for forgets_s in FORGETS_S)
    assert sum(lost) <= 2 * reach + 2
    assert not any(lost[reach:])


def test_the_table_has_a_row_for_each_way_and_is_the_same_each_time() -> None:
    made = table(1, 1)
    assert made.count("\n") == 6
    assert table(1, 1) == made
