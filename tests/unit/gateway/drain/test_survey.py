from __future__ import annotations

from keepline.gateway.drain.plan import Return, Wave
from keepline.gateway.drain.survey import SLICE, plan_for, survey, wave_of
from keepline.reasons import CloseReason
from tests.unit.gateway.drain.leaving import LISTENS, TOLD
from tests.unit.gateway.fakes import World


async def test_everybody_who_is_not_ending_yet_is_found() -> None:
    world = World()
    for number in range(SLICE + 10):
        world.connect(f"device-{number}")
    world.connect("device-told", TOLD)
    world.connect("device-ending").session.close(CloseReason.KICKED)
    found = await survey(world.node)
    counts = found.crowd
    assert counts == {
        (Wave.QUIET, Return.NEVER): SLICE + 10,
        (Wave.QUIET, Return.TOLD): 1,
    }


async def test_a_device_is_idle_quiet_or_talking() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()

    def wave() -> Wave:
        return wave_of(life.session, world.node.ticker.now)

    assert wave() is Wave.QUIET
    world.pass_time(6)
    assert wave() is Wave.IDLE
    life.says(LISTENS)
    assert wave() is Wave.TALKING
    world.pass_time(3)  # and says nothing
    assert wave() is Wave.QUIET


async def test_a_plan_has_the_settings_numbers_and_the_slowest_close() -> None:
    world = World(drain={"turn_s": 3, "wait_s": 9}, profiles={"xiaozhi": {"close_timeout_s": 2}})
    world.connect()
    plan = plan_for(world.node, await survey(world.node), 50.0, 4.0)
    assert (plan.turn_s, plan.wait_s, plan.close_s) == (3, 9, 2)
    assert (plan.rate_per_s, plan.away_s) == (50, 4)
    assert plan.crowd == {(Wave.QUIET, Return.NEVER): 1}


async def test_without_devices_no_close_is_reckoned_with() -> None:
    world = World()
    assert plan_for(world.node, await survey(world.node), 50.0, 4.0).close_s == 0
