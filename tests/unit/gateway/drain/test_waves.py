from __future__ import annotations

from math import inf

import pytest

from keepline.gateway.drain.progress import Counts
from keepline.gateway.drain.survey import plan_for, survey
from keepline.gateway.drain.waves import HEARD_S, MOST_PER_TURN, Waves
from keepline.wire.messages import Tts
from tests.unit.gateway.drain.leaving import LISTENS
from tests.unit.gateway.fakes import Life, World


async def waves_of(world: World, counts: Counts | None = None) -> Waves:
    found = await survey(world.node)
    return Waves(
        world.node, plan_for(world.node, found, 100.0, 0.0), found, None, counts or Counts()
    )


def closed(lives: list[Life]) -> int:
    return sum(life.transport.close_code is not None for life in lives)


async def test_a_turn_lets_no_more_go_than_the_loop_can_bear() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(100)]
    counts = Counts()
    waves = await waves_of(world, counts)
    assert waves.turn(inf, inf, 0.0)
    assert closed(lives) == counts.sent == MOST_PER_TURN
    while waves.turn(inf, inf, 0.0):
        pass
    assert (closed(lives), waves.is_done) == (100, True)


async def test_nobody_goes_before_the_first_slot() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(100)]
    waves = await waves_of(world)
    assert waves.left_s(1.0) == pytest.approx(100 / 2_000)
    assert waves.left_s(0.0) == inf
    assert not waves.turn(0.0, 0.0, 0.0)
    assert closed(lives) == 0
    waves.turn(0.01, 0.01, 0.01)
    assert 19 <= closed(lives) <= 21


async def test_who_has_begun_to_talk_since_the_plan_is_waited_for() -> None:
    world = World()
    life = world.connect()
    waves = await waves_of(world)
    life.says(LISTENS)
    waves.turn(inf, inf, 0.0)
    assert (closed([life]), waves.talking) == (0, 1)
    assert life.handler.names == ["opened", "text", "draining"]
    waves.turn(inf, inf, 15.0)
    waves.turn(inf, inf, 15.0)
    assert closed([life]) == 1
    assert life.handler.names.count("draining") == 1


async def test_an_answer_that_is_over_is_heard_before_the_device_goes() -> None:
    world = World()
    world.node.draining = True
    life = world.connect()
    life.says(LISTENS)
    waves = await waves_of(world)
    waves.turn(inf, inf, 0.0)
    waves.turn_is_over(life.session, 1.0)
    for now_s in (1.0, 1.0 + HEARD_S - 0.01):
        waves.turn(inf, inf, now_s)
    assert closed([life]) == 0
    for _ in range(2):
        waves.turn(inf, inf, 1.0 + HEARD_S)
    assert closed([life]) == 1


async def test_of_somebody_who_is_not_waited_for_nothing_is_kept() -> None:
    world = World()
    waves = await waves_of(world)
    waves.turn_is_over(world.connect().session, 1.0)
    assert waves.is_done


async def test_when_all_are_forced_a_conversation_is_cut_and_counted() -> None:
    world = World()
    talking, quiet = world.connect("device-1"), world.connect("device-2")
    talking.says(LISTENS)
    counts = Counts()
    waves = await waves_of(world, counts)
    waves.force()
    waves.turn(0.0, 0.0, 20.0)
    assert closed([talking, quiet]) == 2
    assert (counts.forced, counts.cut, counts.sent) == (2, 1, 0)
    assert waves.is_done
    assert [life.handler.names.count("draining") for life in (talking, quiet)] == [1, 1]


async def test_a_device_that_does_not_read_is_told_nothing() -> None:
    world = World()
    life = world.connect()
    life.says(LISTENS)
    life.connection.pause_writing()
    waves = await waves_of(world)
    waves.force()
    waves.turn(0.0, 0.0, 20.0)
    assert [each["type"] for each in life.heard] == ["hello"]
    assert life.transport.close_code == 1001


async def test_what_is_said_at_the_end_of_a_turn_tells_the_drain() -> None:
    world = World()
    told: list[object] = []
    world.node.drain.turn_is_over = told.append  # type: ignore[method-assign,assignment]
    session = world.connect().session
    session.send(Tts("stop"))
    assert told == []  # nobody leaves
    world.node.draining = True
    session.send(Tts("start"))
    session.send(Tts("stop"))
    assert told == [session]
