from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keepline.gateway.auth.expiry import ENDS_PER_S, SLACK
from keepline.gateway.connection import Connection
from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.messages import Hello
from tests.unit.gateway.fakes import Life, World

TTL_S = 100.0


def world_of(**auth: Any) -> World:
    return World(
        auth={"token": "t", "expiry_grace_s": 60, **auth},
        session={"idle_after_s": 30},
        # Nobody answers pings here, and nobody is to be judged by that.
        heartbeat={"preset": "seed", "interval_s": 900, "suspicious_s": 1_800, "zombie_s": 2_700},
    )


def connect(world: World, device_id: str = "device-1", ttl_s: float | None = TTL_S) -> Life:
    expires_at = None if ttl_s is None else world.clock.wall() + ttl_s
    connection = world.greeted(Receiver())
    identity = Identity(device_id, "", expires_at, world.clock.wall())
    return Life(connection, world.open(connection, identity, Hello()))


def pass_seconds(world: World, seconds: int, *, alive: Life | None = None) -> None:
    for _ in range(seconds):
        world.pass_time(1.0)
        if alive is not None:
            alive.streams(b"opus")
        world.node.each_second()


def reason_of(connection: Connection) -> CloseReason | None:
    return connection.lifecycle.reason


async def test_an_idle_device_is_told_when_its_token_has_expired() -> None:
    world = world_of()
    life = connect(world)
    pass_seconds(world, 98)
    assert life.connection.lifecycle.state is State.IDLE
    assert reason_of(life.connection) is None
    pass_seconds(world, 3)
    assert reason_of(life.connection) is CloseReason.TOKEN_EXPIRED
    assert life.transport.close_code == 4003
    assert len(world.node.expiries) == 0


async def test_a_conversation_is_waited_for() -> None:
    world = world_of()
    life = connect(world)
    pass_seconds(world, 110, alive=life)
    assert reason_of(life.connection) is None
    pass_seconds(world, 28)  # idle after 30
    assert reason_of(life.connection) is None
    pass_seconds(world, 4)
    assert reason_of(life.connection) is CloseReason.TOKEN_EXPIRED


async def test_a_conversation_without_end_is_ended_after_the_grace() -> None:
    world = world_of()
    life = connect(world)
    pass_seconds(world, 158, alive=life)
    assert reason_of(life.connection) is None
    pass_seconds(world, 4, alive=life)
    assert reason_of(life.connection) is CloseReason.TOKEN_EXPIRED


async def test_without_grace_nobody_is_waited_for() -> None:
    world = world_of(expiry_grace_s=0)
    life = connect(world)
    pass_seconds(world, 102, alive=life)
    assert reason_of(life.connection) is CloseReason.TOKEN_EXPIRED


async def test_the_policy_may_keep_who_is_connected() -> None:
    world = world_of(on_expiry="keep")
    life = connect(world)
    pass_seconds(world, 200, alive=life)
    assert reason_of(life.connection) is None
    assert len(world.node.expiries) == 0


async def test_a_token_that_never_expires_costs_nothing() -> None:
    world = world_of()
    connect(world, ttl_s=None)
    assert len(world.node.expiries) == 0


async def test_a_session_that_ended_before_is_nothing_to_end() -> None:
    world = world_of()
    life = connect(world)
    life.loses_tcp()
    newer = connect(world, ttl_s=None)
    pass_seconds(world, 102)
    assert reason_of(newer.connection) is None
    assert len(world.node.expiries) == 0


async def test_a_session_that_is_being_closed_keeps_its_reason() -> None:
    world = world_of()
    life = connect(world)
    pass_seconds(world, 99)
    life.session.close(CloseReason.KICKED)
    pass_seconds(world, 3)
    assert reason_of(life.connection) is CloseReason.KICKED


async def test_who_comes_and_goes_leaves_a_bounded_heap_behind() -> None:
    world = world_of()
    kept = connect(world, "kept", ttl_s=10_000.0)
    for number in range(500):
        connect(world, f"device-{number}", ttl_s=5_000.0 + number).loses_tcp()
        await asyncio.sleep(0)
        assert len(world.node.expiries) <= 2 * 2 + SLACK + 1
    world.clock.advance(10_061.0)
    world.node.each_second()
    assert reason_of(kept.connection) is CloseReason.TOKEN_EXPIRED


@pytest.mark.parametrize("talking", [False, True])
async def test_a_fleet_of_one_age_leaves_over_several_seconds(*, talking: bool) -> None:
    world = world_of(expiry_grace_s=1)
    lives = [connect(world, f"device-{number}", ttl_s=1.0) for number in range(ENDS_PER_S + 50)]
    if not talking:
        for life in lives:
            life.connection.lifecycle.state = State.IDLE
    world.clock.advance(3.0)

    def ended() -> int:
        return sum(reason_of(life.connection) is not None for life in lives)

    world.node.each_second()
    assert ended() == ENDS_PER_S
    world.node.each_second()
    assert ended() == ENDS_PER_S + 50


async def test_a_fleet_whose_grace_ends_at_once_leaves_over_several_seconds_too() -> None:
    world = world_of()
    lives = [connect(world, f"device-{number}", ttl_s=1.0) for number in range(ENDS_PER_S + 50)]
    world.clock.advance(2.0)
    world.node.each_second()  # all are talking, and wait
    assert len(world.node.expiries) == len(lives)
    world.clock.advance(60.0)
    for expected in (ENDS_PER_S, ENDS_PER_S + 50):
        world.node.each_second()
        assert sum(reason_of(life.connection) is not None for life in lives) == expected
    assert len(world.node.expiries) == 0


async def test_a_wall_clock_that_was_wrong_and_steps_back_gives_the_time_back() -> None:
    world = world_of()
    life = connect(world)
    world.clock.step_wall(-50.0)
    pass_seconds(world, 102)
    assert reason_of(life.connection) is None
    pass_seconds(world, 50)
    assert reason_of(life.connection) is CloseReason.TOKEN_EXPIRED
