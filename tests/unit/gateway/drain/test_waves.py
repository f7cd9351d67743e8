from __future__ import annotations

from collections import Counter
from itertools import count
from math import inf

import pytest

from keepline.gateway.drain.progress import Counts
from keepline.gateway.drain.survey import plan_for, survey
from keepline.gateway.drain.turn import Talk
from keepline.gateway.drain.waves import HEARD_S, MOST_PER_TURN, TURN_S, Waves
from keepline.gateway.session import Session
from keepline.lifecycle.faults import Fault, Source
from keepline.reasons import CloseReason
from keepline.wire.messages import Tts
from tests.unit.gateway.drain.leaving import LISTENS, TOLD
from tests.unit.gateway.fakes import Life, World

BACK = {
    "slow": {"match": ["slow-*"], "reconnect": "fixed", "reconnect_s": 5},
    "fast": {"match": ["fast-*"], "reconnect": "backoff", "reconnect_s": 1},
}
RATE = 100


async def waves_of(world: World, counts: Counts | None = None) -> Waves:
    found = await survey(world.node)
    plan = plan_for(world.node, found, RATE, 0.0)
    return Waves(world.node, plan, found, None, counts or Counts())


def of_kinds(count: int, *kinds: str) -> tuple[World, list[Life]]:
    """Return as many devices of each of these kinds of `BACK`, one kind after the other."""
    world = World(profiles=BACK)
    lives = [world.connect(f"{kind}-{number}") for kind in kinds for number in range(count)]
    for number, life in enumerate(lives):
        life.connection.profile = world.node.settings.profiles[kinds[number // count]]
    return world, lives


def gone(waves: Waves, lives: list[Life], to_s: int, from_s: int = 0) -> list[tuple[float, Life]]:
    """Let time pass in pulses; return who went when."""
    went, here = [], dict.fromkeys(lives)
    for pulse in range(from_s * 40, to_s * 40):
        now_s = pulse / 40
        while waves.turn(now_s, now_s, now_s):
            pass
        left = [life for life in here if life.transport.close_code is not None]
        went += [(now_s, life) for life in left]
        for life in left:
            del here[life]
    return went


def peak(times: list[float]) -> int:
    """Return how many there are in the busiest second."""
    return max(Counter(map(int, times)).values())


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


async def test_a_turn_that_has_taken_its_time_lets_nobody_else_go() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(100)]
    waves = await waves_of(world)
    looks = count()
    world.clock.thread_cpu = lambda: next(looks) * TURN_S / 4  # a look for each that goes
    assert waves.turn(inf, inf, 0.0)
    assert closed(lives) == 4
    world.clock.thread_cpu = lambda: next(looks) * TURN_S * 4
    assert waves.turn(inf, inf, 0.0)
    assert closed(lives) == 5  # one at the least: else it would never end


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
    waves.turn(1.0, 1.0, 1.0)
    assert (closed([life]), waves.talking) == (0, 1)
    assert life.handler.names == ["opened", "text", "draining"]
    waves.turn(16.0, 16.0, 16.0)
    waves.turn(17.0, 17.0, 17.0)
    assert closed([life]) == 1
    assert life.handler.names.count("draining") == 1


async def test_an_answer_that_is_over_is_heard_before_the_device_goes() -> None:
    world = World()
    world.node.draining = True
    life = world.connect()
    life.says(LISTENS)
    waves = await waves_of(world)
    waves.turn(0.0, 0.0, 0.0)
    waves.turn_is_over(life.session, 1.0)
    for now_s in (1.0, 1.0 + HEARD_S - 0.01):
        waves.turn(now_s, now_s, now_s)
    assert closed([life]) == 0
    for now_s in (1.0 + HEARD_S, 2.0):
        waves.turn(now_s, now_s, now_s)
    assert closed([life]) == 1


@pytest.mark.parametrize("kinds", [("slow", "fast"), ("fast", "slow"), ("slow",)])
async def test_kinds_that_take_different_times_to_return_do_not_meet(kinds: tuple[str]) -> None:
    world, lives = of_kinds(300, *kinds)
    waves = await waves_of(world)
    went = gone(waves, lives, 7)
    assert (len(went), waves.is_done) == (len(lives), True)
    back = [at + (life.connection.profile.reconnect_s or 0) for at, life in went]
    assert peak(back) <= 1.1 * RATE


async def test_turns_that_end_in_the_same_moment_are_no_crowd() -> None:
    world, lives = of_kinds(100, "slow", "fast")
    for life in lives:
        life.says(LISTENS)
    waves = await waves_of(world)
    assert gone(waves, lives, 10) == []
    for life in lives:
        waves.turn_is_over(life.session, 9.0)
    went = gone(waves, lives, 13, from_s=10)
    assert (len(went), waves.is_done) == (200, True)
    assert peak([at for at, _ in went]) <= 1.1 * RATE


async def test_hints_of_turns_that_end_in_the_same_moment_are_no_crowd() -> None:
    world = World()
    lives = [world.connect(f"device-{number}", TOLD) for number in range(300)]
    for life in lives:
        life.says(LISTENS)
    waves = await waves_of(world)
    gone(waves, lives, 10)
    for life in lives:
        waves.turn_is_over(life.session, 9.0)
    went = gone(waves, lives, 12, from_s=10)
    back = [at + life.heard[-1]["after_ms"] / 1_000 for at, life in went]
    assert len(back) == 300
    assert peak(back) <= 1.1 * RATE


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


class Unreadable(Session):
    """Cannot say whether its device is in a conversation."""

    __slots__ = ()

    def talk(self, now: float) -> Talk:
        raise ZeroDivisionError


def cannot_write() -> None:
    raise RuntimeError("the transport is gone")


async def test_a_session_that_cannot_be_told_or_closed_keeps_none_of_the_others() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(5)]
    lives[1].transport.on_write = cannot_write
    lives[3].says(LISTENS)
    lives[3].transport.on_write = cannot_write  # so that its notice fails
    counts = Counts()
    waves = await waves_of(world, counts)
    waves.turn(inf, inf, 0.0)
    assert [life.transport.aborted for life in lives] == [False, True, False, False, False]
    waves.force()
    waves.turn(inf, inf, 20.0)
    assert (waves.is_done, lives[3].transport.aborted) == (True, True)
    assert (counts.sent, counts.forced, counts.dropped) == (3, 0, 2)
    lines = world.logged("drain_step_failed")
    assert [line["device_id"] for line in lines] == ["device-1", "device-3"]
    assert world.counters.faults[Fault.UNKNOWN, Source.US] == 2
    lives[1].loses_tcp()
    [ended] = world.logged("device_disconnected")
    assert ended["cause"] == CloseReason.SERVER_SHUTDOWN.cause


async def test_a_conversation_that_cannot_be_looked_at_is_dropped_and_the_others_leave() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(3)]
    for life in lives:
        life.says(LISTENS)
    counts = Counts()
    waves = await waves_of(world, counts)
    lives[0].session.__class__ = Unreadable
    for now_s in (0.0, 16.0, 17.0):
        waves.turn(now_s, now_s, now_s)
    assert waves.is_done
    assert [life.transport.aborted for life in lives] == [True, False, False]
    assert (counts.sent, counts.cut, counts.dropped) == (2, 2, 1)


async def test_who_cannot_be_looked_at_for_the_plan_is_in_it_as_if_it_were_quiet() -> None:
    world = World()
    life = world.connect()
    life.session.__class__ = Unreadable
    waves = await waves_of(world)
    assert not waves.is_done
    assert world.logged("drain_step_failed")
    waves.turn(inf, inf, 0.0)
    assert (waves.is_done, life.transport.aborted) == (True, True)


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
