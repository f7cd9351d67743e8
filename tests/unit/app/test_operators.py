"""What a balancer and a scraper are told of a node."""

from __future__ import annotations

from keepline.app.operators import gauges_of, readiness_of
from tests.unit.gateway.fakes import World


def value(world: World, name: str) -> object:
    [gauge] = [gauge for gauge in gauges_of(world.node) if gauge.name == name]
    return gauge.read()


async def test_a_node_is_ready_until_it_is_full() -> None:
    world = World(server={"port": 0, "max_connections": 2})
    world.connect("device-1")
    assert readiness_of(world.node).ready
    world.connect("device-2")
    assert readiness_of(world.node) == (False, "full", None)


async def test_a_node_that_leaves_is_not_ready_from_the_first_moment_on() -> None:
    world = World(drain={"unready_s": 60})
    world.connect()
    world.node.drain.start("a test")
    ready, reason, drain = readiness_of(world.node)
    assert (ready, reason) == (False, "draining")
    assert drain == {"phase": "unready", "left": 1, "eta_s": 0.0}
    assert not world.node.draining
    world.node.drain.abort()
    assert readiness_of(world.node).ready


async def test_sessions_and_their_deadlines_are_counted_at_the_scrape() -> None:
    world = World()
    assert (value(world, "keepline_sessions"), value(world, "keepline_deadlines")) == (0, 0)
    world.connect()
    assert (value(world, "keepline_sessions"), value(world, "keepline_deadlines")) == (1, 1)
    assert value(world, "keepline_admissions") == value(world, "keepline_cleanups") == 0
