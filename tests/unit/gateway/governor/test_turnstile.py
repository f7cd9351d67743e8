from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest

from keepline.errors import RefusedError
from keepline.gateway.deadlines import MOST_KEPT_WAITING_S
from keepline.gateway.governor.batch import FIRST
from keepline.gateway.governor.turnstile import MOST_GIVEN_UP, Turnstile
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World, device_request, settle
from tests.unit.gateway.governor.test_newcomers import Door, a_deadline
from tests.unit.gateway.virtual_time import LoopClock, pass_time, passed_s, virtual


class Visitor:
    """One request on its way through."""

    def __init__(
        self, turnstile: Turnstile, device_id: str = "device-1", held_s: float = 0.0
    ) -> None:
        self.door = Door()
        self.go = asyncio.Event()
        self.inside = False
        self.deadline = a_deadline()
        self.deadline.put_off(held_s)
        self._turnstile = turnstile
        self._request = device_request(headers={"device-id": device_id})
        self.task = asyncio.ensure_future(self._pass())

    async def _pass(self) -> None:
        turnstile = self._turnstile
        door = cast("Any", self.door)
        with turnstile.free() or await turnstile.wait(door, self._request, self.deadline):
            self.inside = True
            await self.go.wait()


def world_of(least: int = 2, **governor: Any) -> World:
    return World(governor={"judged_least": least, "judged_most": least, **governor})


def inside(visitors: list[Visitor]) -> list[int]:
    return [number for number, visitor in enumerate(visitors) if visitor.inside]


async def leave(visitors: list[Visitor]) -> None:
    for visitor in visitors:
        visitor.task.cancel()
        with suppress(asyncio.CancelledError, RefusedError, ConnectionResetError):
            await visitor.task


async def test_so_many_are_judged_at_once_and_the_next_when_one_is_done() -> None:
    turnstile = world_of().node.governor.turnstile
    visitors = [Visitor(turnstile) for _ in range(4)]
    await settle()
    assert inside(visitors) == [0, 1]
    assert (turnstile.judging, len(turnstile), turnstile.waited) == (2, 2, 2)
    visitors[1].go.set()
    await settle()
    assert inside(visitors) == [0, 1, 2]
    await leave(visitors)
    await settle()
    assert (turnstile.judging, len(turnstile)) == (0, 0)


async def test_who_comes_back_to_its_conversation_is_judged_before_who_is_new() -> None:
    world = world_of(least=1)
    world.connect("here").streams(b"opus")
    turnstile = world.node.governor.turnstile
    visitors = [Visitor(turnstile, device_id) for device_id in ("a", "new", "here")]
    await settle()
    visitors[0].go.set()
    await settle()
    assert inside(visitors) == [0, 2]
    await leave(visitors)


async def test_of_those_that_take_no_time_only_so_many_are_judged_in_a_turn_of_the_loop() -> None:
    turnstile = world_of(least=100).node.governor.turnstile
    visitors = [Visitor(turnstile) for _ in range(FIRST + 3)]
    for visitor in visitors:
        visitor.go.set()
    await asyncio.sleep(0)
    assert inside(visitors) == list(range(FIRST))
    await settle()
    assert len(inside(visitors)) == FIRST + 3
    await settle()
    assert turnstile.judging == 0


async def test_who_waits_too_long_is_refused_with_when_to_come_again() -> None:
    world = world_of(least=1)
    turnstile = world.node.governor.turnstile
    visitors = [Visitor(turnstile) for _ in range(2)]
    await settle()
    world.clock.advance(5.1)
    turnstile.look(world.clock.now())
    with pytest.raises(RefusedError) as refused:
        await visitors[1].task
    assert refused.value.reason is CloseReason.OVERLOADED
    assert refused.value.retry_after_s
    assert turnstile.given_up == 1
    await leave(visitors)


@virtual
async def test_who_was_held_waits_for_its_turn_only_as_long_as_it_has_patience() -> None:
    turnstile = World(
        governor={"judged_least": 1, "judged_most": 1}, clock=LoopClock()
    ).node.governor.turnstile
    first, held, fresh = (
        Visitor(turnstile, held_s=held_s) for held_s in (0.0, MOST_KEPT_WAITING_S - 1.0, 0.0)
    )
    with pytest.raises(RefusedError) as refused:
        await held.task
    assert refused.value.reason is CloseReason.OVERLOADED
    assert (passed_s(), turnstile.given_up, len(turnstile)) == (1.0, 1, 1)
    first.go.set()
    await settle()
    assert fresh.inside
    assert fresh.deadline.waited_s == pytest.approx(1.0)
    await leave([first, held, fresh])


@virtual
async def test_who_was_held_and_has_its_turn_in_time_is_refused_no_more() -> None:
    turnstile = World(
        governor={"judged_least": 1, "judged_most": 1}, clock=LoopClock()
    ).node.governor.turnstile
    visitors = [Visitor(turnstile), Visitor(turnstile, held_s=MOST_KEPT_WAITING_S - 1.0)]
    await settle()
    visitors[0].go.set()
    await pass_time(5.0)
    assert inside(visitors) == [0, 1]
    assert turnstile.given_up == 0
    await leave(visitors)


async def test_of_many_that_waited_too_long_so_many_are_refused_in_a_turn() -> None:
    world = world_of(least=1)
    turnstile = world.node.governor.turnstile
    visitors = [Visitor(turnstile) for _ in range(2 * MOST_GIVEN_UP + 1)]
    await settle()
    world.clock.advance(5.1)
    turnstile.look(world.clock.now())
    assert turnstile.given_up == MOST_GIVEN_UP
    await settle()
    assert turnstile.given_up == 2 * MOST_GIVEN_UP
    await leave(visitors)


async def test_a_device_that_leaves_while_it_waits_has_left() -> None:
    turnstile = world_of(least=1).node.governor.turnstile
    visitors = [Visitor(turnstile) for _ in range(2)]
    await settle()
    visitors[1].door.lifecycle.state = State.CLOSED
    assert visitors[1].door.judging is visitors[1].task
    visitors[1].task.cancel()
    with pytest.raises(ConnectionResetError):
        await visitors[1].task
    assert len(turnstile) == 0
    await leave(visitors)


async def test_a_turn_is_not_lost_with_who_left_as_it_got_it() -> None:
    turnstile = world_of(least=1).node.governor.turnstile
    visitors = [Visitor(turnstile) for _ in range(3)]
    await settle()
    visitors[0].go.set()
    await asyncio.sleep(0)  # it ends
    assert len(turnstile) == 2
    await asyncio.sleep(0)  # and the loop has gone round
    assert len(turnstile) == 1
    visitors[1].task.cancel()  # in the very turn in which it was let in
    await settle()
    assert inside(visitors) == [0, 2]
    await leave(visitors)
    await settle()
    assert turnstile.judging == 0
    assert turnstile.limit._count == 2  # nothing is learned from a turn that nobody used


async def test_who_has_waited_is_refused_where_nobody_is_let_in_any_more_and_keeps_no_turn() -> (
    None
):
    world = world_of(least=1)
    turnstile = world.node.governor.turnstile
    visitors = [Visitor(turnstile) for _ in range(2)]
    await settle()
    world.node.governor.force(1.0)
    for visitor in visitors:
        visitor.go.set()
    with pytest.raises(RefusedError) as refused:
        await visitors[1].task
    assert refused.value.reason is CloseReason.OVERLOADED
    await settle()
    assert (turnstile.judging, len(turnstile)) == (0, 0)
    assert turnstile.limit._count == 1  # nothing is learned from a turn that nobody used


async def test_who_waits_while_the_node_begins_to_leave_is_told_that_when_its_turn_comes() -> None:
    world = world_of(least=1)
    visitors = [Visitor(world.node.governor.turnstile) for _ in range(2)]
    await settle()
    world.node.drain.start("stop", binding=True)
    for visitor in visitors:
        visitor.go.set()
    with pytest.raises(RefusedError) as refused:
        await visitors[1].task
    assert refused.value.reason is CloseReason.DRAINING
    await settle()
    assert world.node.governor.turnstile.judging == 0


@virtual
async def test_a_storm_before_an_authenticator_far_away_costs_a_second_and_no_refusal() -> None:
    turnstile = World(clock=LoopClock()).node.governor.turnstile
    loop, waited_s = asyncio.get_running_loop(), []

    async def come(number: int) -> None:
        await pass_time(number / 2_000)
        began = loop.time()
        request = device_request(headers={"device-id": f"device-{number}"})
        door = cast("Any", Door())
        with turnstile.free() or await turnstile.wait(door, request, a_deadline()):
            waited_s.append(loop.time() - began)
            await pass_time(0.05)

    await asyncio.gather(*map(come, range(4_000)))
    assert turnstile.given_up == 0
    assert max(waited_s) < 1
    assert turnstile.limit.value > 100


async def test_the_limit_learns_from_how_long_judging_takes() -> None:
    world = World()
    turnstile = world.node.governor.turnstile
    for _ in range(40):
        turns = [turn for _ in range(20) if (turn := turnstile.free()) is not None]
        world.clock.advance(0.06)
        for turn in turns:
            with turn:
                pass
        await settle()
    assert turnstile.limit.value > 20
