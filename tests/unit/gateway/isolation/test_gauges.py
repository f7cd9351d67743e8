from __future__ import annotations

from keepline.gateway.isolation.gauges import gauges_of
from tests.unit.gateway.fakes import Recorder, Slow, World


async def test_what_is_read_at_a_scrape_is_there_from_the_first_moment() -> None:
    world = World(Slow, isolation={"failing_devices": 1})
    read = {gauge.name: gauge.read for gauge in gauges_of(world.node)}
    assert read["keepline_stray_calls"]() == {"task": 0.0, "thread": 0.0}
    assert read["keepline_handler_suspended"]() == {}
    world.node.isolation.suspensions.failed(Recorder, "device-1")
    assert read["keepline_handler_suspended"]() == {"tests.unit.gateway.fakes.Recorder": 1.0}
    assert read["keepline_handler_suspensions"]() == 1
    world.pass_time(91.0)  # nobody comes to try it
    assert read["keepline_handler_suspended"]() == {"tests.unit.gateway.fakes.Recorder": 0.0}
    assert read["keepline_handler_suspensions"]() == 1
    assert read["keepline_handler_calls_under_way"]() == 0
