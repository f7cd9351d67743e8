from __future__ import annotations

from typing import Any

from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.batch import FIRST
from keepline.gateway.governor.gauges import gauges_of
from keepline.monitor.exposition import Metrics
from tests.unit.gateway.fakes import World


async def test_a_scrape_tells_what_presses_the_node_and_what_it_does() -> None:
    world = World()
    world.node.governor.force(0.86)
    found: dict[str, Any] = {gauge.name: gauge.read() for gauge in gauges_of(world.node.governor)}
    assert set(found["keepline_pressure_ratio"]) == {"lag", "memory", "queued", "standing"}
    taken = {word for word, value in found["keepline_governor_taken"].items() if value}
    assert taken == {"shrink", "slow", "hold"}
    assert found["keepline_governor_forced"] == 1.0
    assert found["keepline_governor_begun"]["hold"] == 1
    assert found["keepline_judging_limit"] == 20
    assert found["keepline_newcomers_per_turn"] == FIRST
    Metrics(world.counters, gauges_of(world.node.governor), version="1").collect()


async def test_one_action_that_is_forced_alone_shows_as_overruled() -> None:
    world = World()
    world.node.governor.force(0.0, Action.HOLD)
    found: dict[str, Any] = {gauge.name: gauge.read() for gauge in gauges_of(world.node.governor)}
    assert found["keepline_governor_forced"] == 1.0
