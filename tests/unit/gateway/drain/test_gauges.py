from __future__ import annotations

from keepline.gateway.drain.gauges import OUTCOMES, gauges_of
from keepline.gateway.drain.progress import Phase
from tests.unit.gateway.drain.leaving import Leaving
from tests.unit.gateway.virtual_time import virtual


@virtual
async def test_a_scrape_tells_the_phase_the_pace_and_what_became_of_devices() -> None:
    world = Leaving()
    world.connect()
    read = {each.name: each.read for each in gauges_of(world.drain)}
    phases = read["keepline_drain_phase"]()
    assert isinstance(phases, dict)
    assert [name for name, value in phases.items() if value] == [Phase.NONE]
    assert read["keepline_drained_devices"]() == dict.fromkeys(OUTCOMES, 0)
    world.drain.start("a test")
    assert await world.drain.over()
    assert read["keepline_drained_devices"]() == {**dict.fromkeys(OUTCOMES, 0), "sent": 1}
    assert read["keepline_drain_pace_ratio"]() == 1
    assert read["keepline_drain_eta_seconds"]() == 0
    assert read["keepline_admission_rate_per_second"]() == world.drain.rate_per_s
