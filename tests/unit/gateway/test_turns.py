from __future__ import annotations

import asyncio

import pytest

from keepline.gateway.turns import LARGE_READ_BYTES
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, encode_masked
from tests.unit.gateway.fakes import KEY, Life, World, settle

FULL = 4
PER_TURN = 8
EMPTY = encode_masked(Opcode.BINARY, b"", KEY)


def world() -> World:
    return World(wire={"frames_per_turn": PER_TURN, "full_turns_per_s": FULL})


def flood(life: Life, frames: int) -> None:
    life.connection.data_received(EMPTY * frames)


@pytest.mark.parametrize(
    ("turns", "held"), [(FULL - 1, False), (FULL, False), (FULL + 1, True), (10 * FULL, True)]
)
async def test_who_sends_more_than_its_turns_of_a_second_is_not_read_for_the_rest_of_it(
    turns: int, *, held: bool
) -> None:
    here = world()
    life = here.connect()
    flood(life, PER_TURN * turns + 1)  # the one more makes the last of the turns a full one
    for _ in range(4):
        await settle()
    assert life.transport.reading is not held
    assert len(here.node.turns) == held
    assert here.counters.frames_in == PER_TURN * min(turns, FULL + 1) + (not held)
    assert here.counters.peers_held_back == held
    assert life.connection.lifecycle.reason is None


async def test_who_was_held_goes_on_in_the_next_second_and_loses_nothing() -> None:
    here = world()
    life = here.connect()
    flood(life, 3 * PER_TURN * FULL)
    for _ in range(4):
        here.node.each_second()
        await settle()
        await settle()
    assert here.counters.frames_in == 3 * PER_TURN * FULL
    assert life.transport.reading
    assert len(here.node.turns) == 0


async def test_who_is_held_for_the_rest_of_a_second_is_so_whatever_its_output_does() -> None:
    here = world()
    life = here.connect()
    flood(life, 1_000 * PER_TURN)
    for _ in range(4):
        await settle()
    heard = here.counters.frames_in
    for _ in range(20):  # an echo behind a socket that fills and empties
        life.connection.pause_writing()
        life.connection.resume_writing()
        await settle()
    assert here.counters.frames_in == heard
    assert len(here.node.turns) == 1
    here.node.each_second()
    await asyncio.sleep(0)
    assert here.counters.frames_in == heard + PER_TURN


async def test_one_peer_has_one_turn_in_a_turn_of_the_loop_whatever_its_output_does() -> None:
    here = world()
    life = here.connect()
    flood(life, 1_000 * PER_TURN)
    heard = here.counters.frames_in
    for _ in range(20):
        life.connection.pause_writing()
        life.connection.resume_writing()
    await asyncio.sleep(0)
    assert here.counters.frames_in == heard + PER_TURN


async def test_a_turn_that_could_not_be_taken_is_made_up_for_and_counts_once() -> None:
    here = world()
    life = here.connect()
    flood(life, 2 * PER_TURN + 1)
    life.connection.pause_writing()
    await settle()
    assert here.counters.frames_in == PER_TURN
    life.connection.resume_writing()
    await settle()
    assert here.counters.frames_in == 2 * PER_TURN + 1
    assert here.node.turns._taken == {life.connection: 2}


async def test_who_is_held_is_not_taken_for_silent() -> None:
    here = world()
    life = here.connect()
    flood(life, 10 * PER_TURN * FULL)
    await settle()
    here.pass_time(120)
    assert life.connection.lifecycle.reason is None


async def test_a_device_that_keeps_to_a_turn_is_never_counted() -> None:
    here = world()
    life = here.connect()
    for _ in range(10 * FULL):
        flood(life, PER_TURN)
    assert life.transport.reading
    assert here.node.turns._taken == {}


@pytest.mark.parametrize(("size", "counted"), [(-1, 0), (0, 1), (1, 1)])
async def test_a_large_read_is_as_good_as_a_full_turn(size: int, counted: int) -> None:
    here = World()
    life = here.connect()
    message = encode_masked(Opcode.BINARY, bytes(60_000), KEY)
    life.connection.data_received(message[: LARGE_READ_BYTES + size])
    assert len(here.node.turns._taken) == counted
    await settle()
    assert life.transport.reading


async def test_nothing_is_kept_of_who_has_gone() -> None:
    here = world()
    life = here.connect()
    flood(life, 10 * PER_TURN * FULL)
    await settle()
    life.loses_tcp()
    here.node.each_second()
    await settle()
    assert len(here.node.turns) == 0
    assert here.node.turns._taken == {}


async def test_who_floods_with_pings_is_thrown_out_and_not_heard_any_more() -> None:
    here = World(wire={"control_frames_per_s": 5})
    life = here.connect()
    life.connection.data_received(encode_masked(Opcode.PING, b"?", KEY) * 64)
    assert life.connection.lifecycle.reason is CloseReason.FLOODING
    assert not life.transport.reading
    assert len([1 for opcode, _ in life.transport.frames if opcode == Opcode.PONG]) == 5
    life.connection.resume_receiving()
    assert not life.transport.reading
    here.pass_time(life.connection.profile.close_timeout_s + 0.2)
    assert life.transport.aborted


async def test_no_more_control_frames_pass_in_a_second_wherever_upkeep_falls_into_it() -> None:
    here = World(wire={"control_frames_per_s": 5})
    life = here.connect()
    here.pass_time(0.5)
    for _ in range(5):
        life.pings()
    here.node.each_second()
    assert life.connection.lifecycle.reason is None
    life.pings()
    assert life.connection.lifecycle.reason is CloseReason.FLOODING


async def test_of_who_pinged_nothing_is_kept_when_the_second_is_over() -> None:
    here = World()
    here.connect().pings()
    here.pass_time(1.0)
    here.node.each_second()
    assert here.node.turns._controls == {}
