"""A connection that is not read from: its receiver, or its socket, takes no more."""

from __future__ import annotations

from keepline.wire.frames import Opcode, encode_masked
from tests.unit.gateway.fakes import KEY, World, settle


async def test_a_device_is_not_heard_while_its_receiver_takes_nothing() -> None:
    world = World()
    life = world.connect()
    life.connection.pause_receiving()
    assert not life.transport.reading
    life.connection.resume_receiving()
    assert life.transport.reading
    life.connection.resume_receiving()  # idempotent
    assert life.transport.reading


async def test_frames_of_a_read_that_was_not_done_wait_for_the_receiver() -> None:
    world = World(wire={"frames_per_turn": 2})
    life = world.connect()
    frame = encode_masked(Opcode.BINARY, b"x", KEY)
    life.connection.data_received(frame * 5)
    life.connection.pause_receiving()
    await settle()
    assert life.handler.names.count("audio") == 2
    life.connection.resume_receiving()
    await settle()
    assert life.handler.names.count("audio") == 5
    assert life.transport.reading


async def test_both_holds_have_to_end_before_the_device_is_heard() -> None:
    world = World()
    life = world.connect()
    life.connection.pause_receiving()
    life.connection.pause_writing()
    life.connection.resume_receiving()
    assert not life.transport.reading
    life.connection.resume_writing()
    assert life.transport.reading
