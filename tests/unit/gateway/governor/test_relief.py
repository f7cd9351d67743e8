from __future__ import annotations

from typing import Any

import pytest

from keepline.gateway.governor import relief
from keepline.gateway.governor.relief import Relief
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.messages import Hello
from tests.unit.gateway.fakes import Life, World, settle

TOLD = Hello(features={"reconnect": True})


def state_of(life: Life) -> State:
    return life.connection.lifecycle.state


def looks(world: World, **strengths: Any) -> None:
    relief: Relief = world.node.governor._relief
    relief.look(strengths.get("shrink"), strengths.get("shed"), strengths.get("for_s", 1.0))


async def test_who_is_quiet_is_idle_sooner_and_who_talks_is_not() -> None:
    world = World()
    quiet, talking = world.connect("device-1"), world.connect("device-2")
    world.pass_time(4)
    talking.streams(b"opus")
    looks(world, shrink=1.0)
    world.pass_time(0.2)
    assert (state_of(quiet), state_of(talking)) == (State.IDLE, State.ACTIVE)


async def test_with_no_pressure_everything_is_as_it_was() -> None:
    world = World()
    life = world.connect()
    usual_s = world.node.idle_after_s
    looks(world, shrink=0.5)
    assert world.node.idle_after_s < usual_s
    looks(world)
    assert world.node.idle_after_s == usual_s
    world.pass_time(20)
    assert state_of(life) is State.ACTIVE


async def test_so_many_idle_devices_are_sent_away_and_no_more() -> None:
    world = World(session={"idle_after_s": 1})
    lives = [world.connect(f"device-{number}") for number in range(200)]
    world.pass_time(3)
    looks(world, shed=1.0)
    gone = [life for life in lives if life.transport.close_code is not None]
    assert len(gone) == 2  # one in a hundred in a second
    assert {life.connection.lifecycle.reason for life in gone} == {CloseReason.SHED}
    assert world.node.governor.shed == 2


async def test_a_little_of_it_adds_up() -> None:
    world = World(session={"idle_after_s": 1})
    for number in range(10):
        world.connect(f"device-{number}")
    world.pass_time(3)
    for _ in range(40):
        looks(world, shed=0.5, for_s=0.25)
    assert world.node.governor.shed == 1  # a twentieth in ten seconds, and the first at once


async def test_what_could_not_be_done_while_nobody_was_idle_is_not_made_up_for() -> None:
    world = World(session={"idle_after_s": 10})
    for number in range(200):
        world.connect(f"device-{number}")
    for _ in range(600):
        looks(world, shed=1.0)
    world.pass_time(12)
    looks(world, shed=1.0)
    assert world.node.governor.shed == 2


async def test_while_it_is_about_to_end_nobody_is_sent_away() -> None:
    world = World(session={"idle_after_s": 10})
    for number in range(200):
        world.connect(f"device-{number}")
    looks(world, shed=1.0)
    world.pass_time(12)
    looks(world, shed=0.0)
    assert world.node.governor.shed == 0


async def test_a_node_without_devices_has_nobody_to_send_away() -> None:
    world = World()
    for _ in range(3):
        looks(world, shrink=1.0, shed=1.0)
    assert world.node.governor.shed == 0


async def test_who_has_gone_since_the_round_began_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relief, "LOOKS", 1)
    world = World(session={"idle_after_s": 1})
    lives = [world.connect(f"device-{number}") for number in range(3)]
    looks(world, shed=0.0)  # one of them, and the round goes on
    world.pass_time(3)
    for life in lives[1:]:
        life.loses_tcp()
    await settle()
    for _ in range(2):
        looks(world, shed=1.0)
    assert world.node.governor.shed == 0
    looks(world, shed=1.0)
    assert lives[0].connection.lifecycle.reason is CloseReason.SHED


async def test_who_understands_no_hint_is_sent_none_and_the_close_says_what_it_can() -> None:
    world = World(session={"idle_after_s": 1})
    life = world.connect()
    world.pass_time(3)
    heard = len(life.heard)
    looks(world, shed=1.0)
    assert len(life.heard) == heard
    assert life.transport.close_code == 1013  # try again later


async def test_who_understands_it_is_told_when_to_come_back() -> None:
    world = World(session={"idle_after_s": 1})
    life = world.connect(hello=TOLD)
    world.pass_time(3)
    looks(world, shed=1.0)
    assert life.heard[-1]["type"] == "reconnect"
    assert 30_000 <= life.heard[-1]["after_ms"] <= 60_000
    assert life.transport.close_code == 1013


async def test_while_a_drain_sends_everybody_elsewhere_nobody_is_told_to_come_back_here() -> None:
    world = World(session={"idle_after_s": 1}, drain={"target": "wss://elsewhere/"})
    life = world.connect(hello=TOLD)
    world.pass_time(3)
    world.node.drain.start("test")
    looks(world, shed=1.0)
    assert life.transport.close_code is None
    world.node.drain.abort()
    await settle()
    looks(world, shed=1.0)
    assert life.transport.close_code == 1013


async def test_who_would_come_back_by_itself_stays_and_so_does_who_is_not_idle() -> None:
    profiles = {"kitchen": {"match": "kitchen-*", "reconnect": "fixed", "reconnect_s": 10}}
    world = World(session={"idle_after_s": 1}, profiles=profiles)
    kitchen = world.connect("kitchen-1")
    kitchen.connection.profile = world.node.settings.profiles["kitchen"]
    world.pass_time(3)
    busy = world.connect("device-2")
    looks(world, shed=1.0)
    assert kitchen.transport.close_code is None
    assert busy.transport.close_code is None
