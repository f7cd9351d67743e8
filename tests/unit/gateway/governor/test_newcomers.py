from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest

from keepline.errors import HubDownError, RefusedError
from keepline.gateway.deadlines import MOST_KEPT_WAITING_S, Deadline, Deadlines
from keepline.gateway.governor import newcomers
from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.newcomers import STILL_TALKING_S
from keepline.gateway.governor.room import Rank
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World, device_request, settle

PROFILES = {
    "fixed": {"match": "fixed-*", "reconnect": "fixed", "reconnect_s": 10},
    "backoff": {"match": "backoff-*", "reconnect": "backoff", "reconnect_s": 1},
}
QUICK = {"hold_s": 0.01}


class Lifecycle:
    def __init__(self) -> None:
        self.state = State.AUTHENTICATING


class Door:
    """What a request came in by."""

    def __init__(self) -> None:
        self.lifecycle = Lifecycle()
        self.judging: asyncio.Task[None] | None = None


def a_deadline() -> Deadline:
    """Return by when it has to be in."""
    return Deadlines(asyncio.get_running_loop(), 10.0).begin()


def pressed(pressure: float, **governor: Any) -> World:
    world = World(profiles=PROFILES, governor=governor)
    world.node.governor.force(pressure)
    return world


def asks(device_id: str) -> Any:
    return device_request(headers={"device-id": device_id})


async def comes(world: World, device_id: str) -> Deadline:
    deadline = a_deadline()
    await world.node.governor.newcomers.hold(cast("Any", Door()), asks(device_id), deadline)
    return deadline


def rank(world: World, device_id: str = "device-1") -> Rank:
    return world.node.governor.newcomers.rank(asks(device_id))


async def test_who_was_never_here_is_new() -> None:
    assert rank(World()) is Rank.NEW


async def test_who_is_here_comes_back_and_first_while_it_talks() -> None:
    world = World()
    life = world.connect()
    life.streams(b"opus")
    assert rank(world) is Rank.TALKING
    world.pass_time(STILL_TALKING_S)
    assert rank(world, "DEVICE-1") is Rank.RESUMING


@pytest.mark.parametrize(("error", "expected"), [(OSError(), Rank.TALKING), (None, Rank.RESUMING)])
async def test_who_was_here_comes_back_and_first_when_its_conversation_broke_off(
    error: Exception | None, expected: Rank
) -> None:
    world = World(hub={"resume_window_s": 60})
    life = world.connect()
    life.streams(b"opus")
    life.loses_tcp(error)
    await settle()
    assert rank(world) is expected
    world.pass_time(61)
    assert rank(world) is Rank.KNOWN


@pytest.mark.parametrize("device_id", ["stock-1", "fixed-1", "backoff-1"])
async def test_in_peace_everybody_passes(device_id: str) -> None:
    assert (await comes(World(profiles=PROFILES), device_id)).waited_s == 0


async def test_stock_firmware_is_never_held() -> None:
    world = pressed(0.94)
    assert (await comes(world, "stock-1")).waited_s == 0
    assert world.node.governor.newcomers.held == 0


@pytest.mark.parametrize("action", [*Action, None])
@pytest.mark.parametrize("pressure", [0.0, 0.5, 0.86, 0.96, 1.0])
async def test_stock_firmware_passes_in_the_same_moment_or_is_refused_in_it(
    pressure: float, action: Action | None
) -> None:
    world = World(profiles=PROFILES)
    world.node.governor.force(pressure, action)
    coming = world.node.governor.newcomers.hold(cast("Any", Door()), asks("stock-1"), a_deadline())
    with pytest.raises((StopIteration, RefusedError)):
        coming.send(None)  # it awaits nothing
    assert world.node.governor.newcomers.held == 0


@pytest.mark.parametrize(
    "governor", [{"pressure": 0.99}, {"pressure": 1.0, "action": Action.RESUMES_ONLY}]
)
async def test_who_was_held_is_let_in_no_more_than_who_comes_then(governor: Any) -> None:
    world = pressed(0.94, **QUICK)
    held = asyncio.ensure_future(comes(world, "fixed-1"))
    await settle()
    world.node.governor.force(**governor)
    with pytest.raises(RefusedError) as refused:
        await held
    assert refused.value.reason is CloseReason.OVERLOADED


async def test_who_was_held_while_the_node_begins_to_leave_is_told_that() -> None:
    world = pressed(0.94, **QUICK)
    held = asyncio.ensure_future(comes(world, "fixed-1"))
    await settle()
    world.node.drain.start("stop", binding=True)
    with pytest.raises(RefusedError) as refused:
        await held
    assert refused.value.reason is CloseReason.DRAINING


async def test_those_who_are_held_leave_half_of_the_room_to_who_speaks() -> None:
    world = World(profiles=PROFILES, server={"port": 0, "max_admissions": 4})
    world.node.governor.force(0.94)
    held = [asyncio.ensure_future(comes(world, f"fixed-{number}")) for number in range(2)]
    await settle()
    with pytest.raises(RefusedError):
        await comes(world, "fixed-3")
    await comes(world, "stock-1")
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def test_those_who_are_held_leave_half_of_their_address_to_who_speaks() -> None:
    world = World(profiles=PROFILES, server={"port": 0, "handshakes_per_address": 4})
    world.node.governor.force(0.94)
    for _ in range(3):
        world.node.arrivals.addresses.enter("203.0.113.7", world.node.ticker.now)
    coming = world.node.governor.newcomers.hold(
        cast("Any", Door()),
        device_request(headers={"device-id": "fixed-1"}, address="203.0.113.7"),
        a_deadline(),
    )
    with pytest.raises(RefusedError):
        await coming


async def test_who_comes_back_at_a_fixed_pace_is_held_and_its_deadline_waits() -> None:
    world = pressed(0.94, **QUICK)
    before = asyncio.get_running_loop().time()
    deadline = await comes(world, "fixed-1")
    assert 0 < deadline.waited_s <= QUICK["hold_s"]
    assert deadline.when() >= before + 10.0 + deadline.waited_s
    assert world.node.governor.newcomers.held == 1
    assert len(world.node.governor.newcomers) == 0


async def test_who_has_waited_long_elsewhere_is_held_for_the_rest_of_its_patience() -> None:
    world = pressed(0.94)
    deadline = a_deadline()
    deadline.waited_s = MOST_KEPT_WAITING_S - 0.01
    await world.node.governor.newcomers.hold(cast("Any", Door()), asks("fixed-1"), deadline)
    assert deadline.waited_s <= MOST_KEPT_WAITING_S


def is_refused(world: World, device_id: str) -> bool:
    with suppress(RefusedError):
        world.node.governor.newcomers.check_room(asks(device_id))
        return False
    return True


async def test_the_last_of_the_room_for_handshakes_is_for_who_comes_back_first_of_all_to_talk() -> (
    None
):
    world = World(server={"port": 0, "max_admissions": 32}, hub={"resume_window_s": 60})
    world.connect("known").loses_tcp()
    await settle()
    world.pass_time(61)
    world.connect("here")
    world.pass_time(STILL_TALKING_S + 1)
    world.connect("talking").streams(b"opus")
    refused_from: dict[str, int] = {}
    for under_way in range(1, 34):
        world.node.arrivals.admissions = dict.fromkeys(range(under_way))  # type: ignore[assignment, arg-type]
        for device_id in ("new", "known", "here", "talking"):
            if is_refused(world, device_id):
                refused_from.setdefault(device_id, under_way)
    with pytest.raises(RefusedError) as refused:
        world.node.governor.newcomers.check_room(asks("new"))
    assert refused.value.reason is CloseReason.FULL
    assert refused.value.retry_after_s
    assert refused_from == {"new": 27, "known": 29, "here": 31, "talking": 33}
    world.node.arrivals.admissions.clear()


@pytest.mark.parametrize(("most", "governor"), [(1, {}), (4, {}), (32, {"enabled": False})])
async def test_a_small_room_is_for_all_and_so_is_that_of_a_node_without_a_governor(
    most: int, governor: Any
) -> None:
    world = World(server={"port": 0, "max_admissions": most}, governor=governor)
    world.node.arrivals.admissions = dict.fromkeys(range(most))  # type: ignore[assignment, arg-type]
    assert not is_refused(world, "new")
    world.node.arrivals.admissions.clear()


async def test_so_many_are_held_at_once_and_the_next_is_refused() -> None:
    world = pressed(0.94, held=2)
    held = [asyncio.ensure_future(comes(world, f"fixed-{number}")) for number in range(2)]
    await settle()
    assert len(world.node.governor.newcomers) == 2
    with pytest.raises(RefusedError) as refused:
        await comes(world, "fixed-3")
    assert refused.value.reason is CloseReason.OVERLOADED
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert len(world.node.governor.newcomers) == 0


async def test_who_backs_off_is_told_when_to_come_again() -> None:
    world = pressed(0.86)
    with pytest.raises(RefusedError) as refused:
        await comes(world, "backoff-1")
    assert refused.value.retry_after_s


async def test_a_device_that_leaves_while_it_is_held_has_left() -> None:
    world = pressed(0.94)
    door = Door()
    held = asyncio.ensure_future(
        world.node.governor.newcomers.hold(cast("Any", door), asks("fixed-1"), a_deadline())
    )
    await settle()
    door.lifecycle.state = State.CLOSED
    assert door.judging is held
    held.cancel()
    with pytest.raises(ConnectionResetError):
        await held


async def test_at_resumes_only_who_is_here_may_come_back_and_nobody_else() -> None:
    world = pressed(0.96)
    life = world.connect("here-1")
    life.loses_tcp()
    await settle()
    await comes(world, "here-1")
    with pytest.raises(RefusedError):
        await comes(world, "stock-1")


async def test_at_the_most_nobody_may() -> None:
    world = pressed(0.99)
    world.connect("here-1")
    with pytest.raises(RefusedError):
        await comes(world, "here-1")
    assert world.node.governor.newcomers.refused == 1


async def leaves_behind(world: World, device_id: str) -> None:
    claim = await world.hub.claim(device_id, device_id)
    await world.hub.release(claim, b"", 60.0)


async def test_who_was_here_before_this_process_comes_before_who_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(newcomers, "RECALLED_AT_ONCE", 2)
    world = World(hub={"resume_window_s": 60})
    for number in range(3):
        await leaves_behind(world, f"long-ago-{number}")
    world.clock.advance(61)
    for number in range(3):
        await leaves_behind(world, f"lately-{number}")
    world.node.governor.newcomers.start()
    await settle()
    assert {rank(world, f"lately-{number}") for number in range(3)} == {Rank.RESUMING}
    assert {rank(world, f"long-ago-{number}") for number in range(3)} == {Rank.KNOWN}
    assert rank(world, "nobody") is Rank.NEW
    [told] = world.logged("devices_recalled")
    assert (told["resumed"], told["known"]) == (3, 6)


async def test_no_more_are_read_than_there_are_places_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(newcomers, "RECALLED_AT_ONCE", 2)
    world = World(server={"port": 0, "max_connections": 2})
    for number in range(10):
        await leaves_behind(world, f"device-{number}")
    world.node.governor.newcomers.start()
    await settle()
    [told] = world.logged("devices_recalled")
    assert (told["resumed"], told["known"]) == (4, 4)


async def test_a_hub_that_cannot_be_read_costs_the_ranks_and_no_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    async def known(*_: object) -> None:
        raise HubDownError("it is locked")

    monkeypatch.setattr(world.hub, "known", known)
    world.node.governor.newcomers.start()
    await settle()
    assert world.logged("devices_not_recalled")
    world.node.governor.newcomers.stop()


async def test_a_fault_of_ours_while_they_are_read_is_told_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    async def known(*_: object) -> None:
        raise ValueError("no device")

    monkeypatch.setattr(world.hub, "known", known)
    world.node.governor.newcomers.start()
    await settle()
    [line] = world.logged("devices_not_recalled")
    assert line["level"] == "error"
    assert "no device" in line["error"]
    assert sum(world.node.counters.faults.values()) == 1
