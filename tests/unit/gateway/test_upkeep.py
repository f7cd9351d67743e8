from __future__ import annotations

import pytest

from keepline.gateway.upkeep import MOST_UNWELL
from keepline.monitor.alerts.incidents import Incident
from tests.unit.gateway.fakes import World

HEART = {"interval_s": 1, "suspicious_s": 3, "zombie_s": 4}


async def test_our_own_stalls_lengthen_every_wait_until_we_are_well_again() -> None:
    world = World()
    for _ in range(MOST_UNWELL + 2):
        world.stall(1.0)
        world.node.each_second()
    assert world.node.judge.stretch == 1 + MOST_UNWELL
    assert len(world.logged("loop_stalled")) == MOST_UNWELL + 2
    for _ in range(MOST_UNWELL + 2):
        world.pass_time(1.0)
        world.node.each_second()
    assert world.node.judge.stretch == 1


async def test_the_end_of_a_mass_suspicion_is_told_once() -> None:
    world = World(heartbeat=HEART)
    lives = [world.connect(f"device-{number}") for number in range(200)]
    world.pass_time(3.5)
    assert world.counters.mass_suspicions == 1
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert problem.about == Incident.MASS_SUSPICION
    for life in lives:
        life.loses_tcp()
    for _ in range(30):
        world.pass_time(1.0)
        world.node.each_second()
    assert len(world.logged("mass_suspicion_over")) == 1
    assert world.node.incidents.problems(world.node.ticker.now) == []


async def test_a_part_that_fails_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    def fails(_turns: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("keepline.gateway.turns.Turns.each_second", fails)
    world.stall(1.0)
    world.node.each_second()
    assert world.node.judge.stretch == 2
    [line] = world.logged("upkeep_failed")
    assert "ZeroDivisionError" in str(line)
