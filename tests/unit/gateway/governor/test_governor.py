from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from keepline.errors import RefusedError
from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.governor import EACH_S, MOST_COUNTED
from keepline.gateway.governor.relief import Relief
from keepline.gateway.governor.signals import Signal
from keepline.gateway.outbox import Outbox
from keepline.monitor.process.resident import Resident
from keepline.settings.session import Outbox as OutboxLimits
from tests.unit.gateway.fakes import World


def late(world: World, by_s: float, ticks: int = 20) -> None:
    """Have so many ticks of the node come late."""
    for _ in range(ticks):
        world.stall(0.1 + by_s)


def governed(world: World) -> list[tuple[str, object, object, str]]:
    lines = world.logged("governor")
    return [(line["action"], line["before"], line["after"], line["reason"]) for line in lines]


async def test_a_node_in_peace_does_nothing() -> None:
    world = World()
    world.pass_time(5)
    world.node.governor.look()
    assert world.node.governor.pressure < 0.2  # of memory
    assert not world.node.governor.taken
    assert not world.logged("governor")


async def test_one_late_tick_is_no_pressure_and_many_are() -> None:
    world = World()
    governor = world.node.governor
    world.pass_time(2)
    world.stall(5.0)
    governor.look()
    assert governor.pressures[Signal.LAG] == 0.0
    late(world, 0.19)
    governor.look()
    assert governor.pressures[Signal.LAG] == pytest.approx(0.944, abs=0.01)
    assert set(governor.taken) == {Action.SLOW, Action.HOLD}
    assert governor.is_slow


async def test_what_begins_and_ends_is_logged_emitted_and_counted() -> None:
    world = World(governor={"disabled": "slow"})
    governor = world.node.governor
    late(world, 0.18)
    governor.look()
    world.pass_time(3)
    governor.look()
    world.pass_time(2)
    governor.look()
    assert governed(world) == [
        ("hold", None, pytest.approx(0.389, abs=0.01), "lag"),
        ("hold", 0.0, None, "calm"),
    ]
    assert governor.begun[Action.HOLD] == 1
    events = await world.hub.events()
    told = [json.loads(event.data) for event in events if event.kind == "governor"]
    assert [each["action"] for each in told] == ["hold", "hold"]
    assert told[0]["lag_s"] == pytest.approx(0.18, abs=0.01)


async def test_memory_near_its_limit_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resident, "share_of_limit", lambda *_: 0.99)
    governor = World().node.governor
    governor.look()
    assert governor.refuses_all


async def test_what_waits_for_devices_is_added_up_and_forgotten_with_its_queue() -> None:
    world = World(governor={"queued_lo_bytes": 0, "queued_hi_bytes": 10_000})
    governor = world.node.governor
    life = world.connect()
    life.connection.pause_writing()
    assert life.connection.outbox is not None
    life.connection.outbox.put(bytes(8_000), 8_000, audio=False)
    governor.look()
    assert governor.seen.queued_bytes == 8_000
    assert governor.pressures[Signal.QUEUED] == pytest.approx(0.8)
    life.connection.outbox = None
    governor.look()
    assert governor.seen.queued_bytes == 0


async def test_of_a_great_many_queues_some_stand_for_all() -> None:
    world = World()
    queues = [Outbox(OutboxLimits(), now=0.0, buffered_bytes=0) for _ in range(2 * MOST_COUNTED)]
    for queue in queues:
        queue.put(b"1234", 4, audio=False)
        world.node.governor.backlogs.add(queue)
    world.node.governor.look()
    assert world.node.governor.seen.queued_bytes == 4 * len(queues)


async def test_an_operator_overrules_the_signals_and_releases_them() -> None:
    world = World()
    governor = world.node.governor
    governor.force(0.99)
    assert governor.refuses_all
    assert {reason for _, _, _, reason in governed(world)} == {"forced"}
    governor.force(None)
    world.pass_time(1)
    governor.look()
    world.pass_time(3)
    governor.look()
    assert not governor.taken
    forced = world.logged("governor_forced")
    assert [(each["before"], each["after"]) for each in forced] == [(None, 0.99), (0.99, None)]


async def test_one_action_alone_is_forced_on_and_off_and_released() -> None:
    world = World()
    governor = world.node.governor
    governor.force(1.0, Action.SHED, by="anna")
    assert governor.taken == {Action.SHED: 1.0}
    assert governor.begun[Action.SHED] == 1
    [line] = world.logged("governor")
    assert (line["action"], line["reason"], line["pressure"]) == ("shed", "forced", 1.0)
    governor.force(0.99)
    governor.force(0.0, Action.NONE)
    assert not governor.refuses_all
    governor.force(None, Action.NONE)
    assert governor.refuses_all
    forced = world.logged("governor_forced")
    told = [(each["action"], each["before"], each["after"], each["by"]) for each in forced]
    assert told == [
        ("shed", None, 1.0, "anna"),
        (None, None, 0.99, ""),
        ("none", None, 0.0, ""),
        ("none", 0.0, None, ""),
    ]
    events = await world.hub.latest(kind="governor_forced")
    assert [json.loads(event.data)["action"] for event in events] == ["none", "none", None, "shed"]


@pytest.mark.parametrize("action", [Action.SHED, None])
async def test_where_nothing_was_forced_a_release_is_no_event(action: Action | None) -> None:
    world = World()
    world.node.governor.force(None, action, by="anna")
    assert not world.logged("governor_forced")
    assert not await world.hub.latest(kind="governor_forced")


@pytest.mark.parametrize("action", [Action.SHED, None])
async def test_what_is_forced_for_a_time_is_over_by_itself(action: Action | None) -> None:
    world = World()
    governor = world.node.governor
    governor.force(1.0, action, for_s=60)
    world.pass_time(59.5)
    governor.look()
    assert Action.SHED in governor.taken
    world.pass_time(1)
    governor.look()
    assert not governor.orders
    line = world.logged("governor_forced")[-1]
    assert (line["before"], line["after"], line["over"]) == (1.0, None, True)
    world.pass_time(3)
    governor.look()
    assert not governor.taken


async def test_a_time_that_was_given_goes_with_its_order() -> None:
    world = World()
    governor = world.node.governor
    governor.force(1.0, Action.SHED, for_s=1)
    governor.force(1.0, Action.SHED)
    world.pass_time(5)
    governor.look()
    assert governor.taken == {Action.SHED: 1.0}


async def test_who_overrules_it_again_and_again_has_no_more_devices_sent_away() -> None:
    world = World(session={"idle_after_s": 1})
    for number in range(100):
        world.connect(f"device-{number}")
    world.pass_time(3)
    for _ in range(20):
        world.node.governor.force(1.0, Action.SHED)
    world.node.governor.look()
    assert world.node.governor.shed == 1


async def test_an_action_is_switched_off_and_on() -> None:
    world = World()
    governor = world.node.governor
    governor.force(0.99)
    governor.switch(Action.NONE, on=False)
    assert not governor.refuses_all
    line = world.logged("governor")[-1]
    assert (line["reason"], line["level"]) == ("switched off", "info")
    assert world.logged("governor")[0]["level"] == "warning"
    governor.switch(Action.NONE, on=True)
    assert governor.refuses_all


async def test_a_governor_that_is_off_does_nothing_whatever_it_sees() -> None:
    world = World(governor={"enabled": False})
    late(world, 5.0)
    world.node.governor.force(1.0)
    assert not world.node.governor.taken
    assert all(world.node.governor.turnstile.free() for _ in range(10_000))


async def test_it_looks_four_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    governor = world.node.governor
    looks: list[Any] = []
    monkeypatch.setattr(Relief, "look", lambda *what: looks.append(what))
    loop = asyncio.get_running_loop()
    due: list[Any] = []
    monkeypatch.setattr(loop, "call_later", lambda *what: due.append(what))
    governor.start()
    due.pop()[1]()
    assert [delay_s for delay_s, _ in due] == [EACH_S]
    assert len(looks) == 1


async def test_a_refusal_says_when_and_not_the_same_to_all() -> None:
    world = World()
    waits = set()
    for _ in range(50):
        refusal: RefusedError = world.node.governor.newcomers.refusal()
        assert refusal.retry_after_s is not None
        assert 5 <= refusal.retry_after_s <= 30
        waits.add(refusal.retry_after_s)
    assert len(waits) > 10
