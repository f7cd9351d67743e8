from __future__ import annotations

import pytest

from keepline.errors import DrainError
from keepline.gateway.drain.drain import FOLLOWED_S, LastLook
from keepline.gateway.drain.pace import ASSUMED_COST_S, HEADROOM
from keepline.gateway.drain.plan import Wave
from keepline.gateway.drain.progress import Phase
from keepline.reasons import CloseReason
from tests.unit.gateway.drain.leaving import LISTENS, RETURNING, Leaving
from tests.unit.gateway.test_endings import ends_of
from tests.unit.gateway.virtual_time import pass_time, virtual

SLOW = {"rate_per_s": 10}


def slowly(devices: int = 100) -> Leaving:
    world = Leaving(profiles=RETURNING, drain=SLOW, server={"max_connections": 200})
    for number in range(devices):
        world.of_profile("kiosk", f"kiosk-{number}")
    return world


@virtual
async def test_before_anybody_asked_there_is_nothing_to_tell() -> None:
    world = Leaving()
    assert world.drain.progress().phase is Phase.NONE
    assert not world.drain.is_leaving
    assert not await world.drain.over()


@virtual
async def test_a_dry_run_tells_what_would_happen_and_does_nothing() -> None:
    world = slowly()
    plan = await world.drain.dry_run()
    assert (plan.count(Wave.QUIET), plan.waves_s, plan.fits) == (100, 10, True)
    assert world.drain.phase is Phase.NONE
    assert not world.node.draining


@virtual
async def test_who_asks_again_joins_the_drain_that_is_under_way() -> None:
    world = slowly()
    assert world.drain.start("one")
    await pass_time(2)
    assert not world.drain.start("another")
    told = world.drain.progress()
    assert told.asked_by == "one"
    assert told.left < 100
    assert await world.drain.over()
    assert world.passed_s < 13
    assert not world.drain.start("after the end")


@virtual
async def test_a_pause_lets_nobody_go_and_its_time_does_not_count() -> None:
    world = slowly()
    world.drain.start("an operator")
    await pass_time(3)
    world.drain.pause()
    sent = world.drain.progress().counts.sent
    await pass_time(60)
    assert world.drain.progress().counts.sent == sent
    assert world.drain.progress().rate == 0
    world.drain.resume()
    assert await world.drain.over()
    counts = world.drain.progress().counts
    assert (counts.sent, counts.forced) == (100, 0)


@virtual
async def test_an_abort_lets_devices_in_again_and_leaves_the_others_alone() -> None:
    world = slowly()
    refusing: list[bool] = []
    world.drain.on_refusing = refusing.append
    world.drain.start("an operator")
    await pass_time(3)
    world.drain.abort()
    await pass_time(10)
    left = len(world.node.registry)
    assert 60 < left < 75
    assert (world.drain.phase, world.drain.is_leaving) == (Phase.ABORTED, False)
    assert not world.node.draining
    assert refusing == [True, False]
    assert not await world.drain.over()


@virtual
async def test_after_an_abort_nobody_is_waited_for() -> None:
    world = slowly(10)
    world.connect("device-1").says(LISTENS)
    world.drain.start("an operator")
    await pass_time(0.5)
    assert world.drain.progress().talking == 1
    world.drain.abort()
    assert world.drain.progress().talking == 0


@virtual
async def test_after_an_abort_it_can_begin_anew_and_the_totals_go_on() -> None:
    world = slowly()
    world.drain.start("an operator")
    await pass_time(3)
    world.drain.abort()
    await pass_time(2)
    left = len(world.node.registry)
    assert world.drain.start("an operator")
    assert await world.drain.over()
    assert world.drain.progress().counts.sent == left
    assert world.drain.totals.sent == 100


@virtual
async def test_a_stop_can_be_neither_paused_nor_aborted() -> None:
    world = slowly()
    world.drain.start("an operator")
    await pass_time(1)
    world.drain.pause()
    world.drain.start("stop", binding=True)
    assert world.drain.phase is Phase.LEAVING
    for change in (world.drain.pause, world.drain.abort):
        with pytest.raises(DrainError, match="told to stop"):
            change()
    assert await world.drain.over()


@virtual
async def test_what_cannot_be_done_now_is_refused() -> None:
    world = slowly(1)
    for change in (world.drain.pause, world.drain.resume, world.drain.abort):
        with pytest.raises(DrainError):
            change()
    world.drain.start("an operator")
    with pytest.raises(DrainError, match="only its waves"):
        world.drain.pause()
    assert await world.drain.over()
    with pytest.raises(DrainError, match="ended"):
        world.drain.abort()


@virtual
async def test_a_hurry_waits_for_nobody() -> None:
    world = slowly()
    world.drain.start("stop", binding=True)
    await pass_time(1)
    world.drain.hurry()
    assert await world.drain.over()
    assert world.passed_s < 2.5
    counts = world.drain.progress().counts
    assert counts.forced > 80
    assert counts.dropped > 80
    assert not world.node.registry
    (ending,) = await ends_of(world, "kiosk-99")
    dropped = ending["steps"][-1]
    assert dropped["event"] == "close_due"
    assert dropped["after_s"] < 0.5  # and not because the bound of its Close was over


@virtual
async def test_a_hurry_that_comes_before_its_drain_counts() -> None:
    world = slowly()
    world.drain.hurry()
    world.drain.start("stop", binding=True)
    assert await world.drain.over()
    assert world.passed_s < 1.5


@virtual
async def test_a_fault_of_ours_closes_everybody_and_ends_the_drain() -> None:
    world = slowly(3)

    def fails() -> None:
        raise ZeroDivisionError

    world.node.random.random = fails  # type: ignore[method-assign,assignment]
    world.drain.start("stop", binding=True)
    assert await world.drain.over()
    assert world.logged("drain_failed")
    del world.node.random.random
    await pass_time(2)
    assert world.counters.disconnects[CloseReason.SERVER_SHUTDOWN] == 3


@virtual
async def test_a_fault_of_ours_ends_the_drain_also_where_somebody_cannot_be_closed() -> None:
    world = slowly(0)
    lives = [world.connect(f"device-{number}") for number in range(3)]

    def fails() -> None:
        raise ZeroDivisionError

    world.node.random.random = fails  # type: ignore[method-assign,assignment]
    lives[0].transport.on_write = fails
    world.drain.start("stop", binding=True)
    assert await world.drain.over()
    del world.node.random.random
    assert [life.transport.aborted for life in lives] == [True, False, False]
    assert [life.transport.close_code for life in lives[1:]] == [1001, 1001]


@virtual
async def test_its_end_is_told_to_who_waits_for_it() -> None:
    world = slowly(1)
    told: list[Phase] = []
    world.drain.on_ended = lambda: told.append(world.drain.phase)
    world.drain.start("an operator")
    assert await world.drain.over()
    assert told == [Phase.ENDED]


@virtual
async def test_the_rate_is_what_admissions_were_seen_to_cost_unless_one_is_set() -> None:
    world = Leaving()
    assert world.drain.rate_per_s == HEADROOM / ASSUMED_COST_S
    readings = iter([0.0, 0.02])
    world.clock.cpu = lambda: next(readings)
    world.drain.each_second()
    world.counters.sessions_opened += 100
    world.drain.each_second()
    assert world.drain.rate_per_s == HEADROOM / 0.0002
    assert slowly().drain.rate_per_s == 10


@virtual
async def test_those_that_come_back_to_a_gateway_that_others_replace_slow_it() -> None:
    world = Leaving(
        profiles=RETURNING, drain=SLOW | {"unready_s": 0.1}, server={"max_connections": 200}
    )
    for number in range(100):
        world.of_profile("kiosk", f"kiosk-{number}")
    world.drain.start("an operator")
    await pass_time(1)
    world.counters.disconnects[CloseReason.DRAINING] += 5
    await pass_time(1.2)
    assert world.drain.progress().rate < 1
    assert await world.drain.over()


@virtual
async def test_the_last_look_is_waited_for_only_where_somebody_looks() -> None:
    look = LastLook()
    await look.wait(100.0)
    look.note(90.0, has_ended=False)
    await look.wait(100.0)  # that was long ago
    look.note(99.9, has_ended=False)
    await look.wait(100.0)  # in vain, for a moment
    look.note(101.0, has_ended=True)
    await look.wait(101.1)
    assert FOLLOWED_S < 10
