"""One connection to an upstream: frames as they are, life and death."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from keepline.gateway.connection import HOLD_RECEIVER
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, binary_frame, encode, text_frame
from tests.unit.gateway.fakes import settle
from tests.unit.relay.test_session import stay
from tests.unit.relay.voices import Relayed, session_of

AUDIO = bytes(range(120))
LONG = bytes(300)


@pytest.fixture(autouse=True)
def _no_patch_outlives_its_test() -> Iterator[None]:
    yield
    mock.patch.stopall()


@pytest.mark.parametrize("frame", [AUDIO, LONG, b"", bytes(70_000 - 8_000)])
async def test_audio_reaches_the_device_in_the_frame_it_came_in(frame: bytes) -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    voice.says(frame)
    assert life.transport.written[-1] == binary_frame(frame)


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
async def test_frames_come_through_however_the_network_cut_them(size: int) -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    before = len(life.transport.frames)
    messages = [AUDIO, b"", LONG, b"x"]
    data = b"".join(map(binary_frame, messages)) + text_frame("text")
    for at in range(0, len(data), size):
        voice.link.data_received(data[at : at + size])
    expected = [(Opcode.BINARY, each) for each in messages] + [(Opcode.TEXT, b"text")]
    assert life.transport.frames[before:] == expected


async def test_fragments_of_a_message_are_put_together() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    voice.link.data_received(b"\x02\x03abc")
    voice.link.data_received(b"\x80\x03def")
    assert life.transport.frames[-1] == (Opcode.BINARY, b"abcdef")


async def test_frames_beyond_one_turns_worth_wait_for_the_next() -> None:
    world = Relayed(wire={"frames_per_turn": 4})
    life = world.come()
    voice = world.succeed()
    before = len(life.transport.frames)
    voice.link.data_received(binary_frame(AUDIO) * 10)
    assert len(life.transport.frames) - before == 4
    assert not voice.transport.reading
    voice.link._next_turn()
    voice.link._next_turn()
    assert len(life.transport.frames) - before == 10
    assert voice.transport.reading


async def test_a_ping_is_answered_and_heard_by_no_device() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    before = len(life.transport.written)
    voice.pings(b"are you there?")
    assert voice.frames[-1] == (Opcode.PONG, b"are you there?")
    assert len(life.transport.written) == before


async def test_an_upstream_that_was_told_to_close_is_told_nothing_more() -> None:
    world = Relayed()
    world.come()
    voice = world.succeed()
    voice.link.pause_writing()
    voice.pings(b"what is the matter?")
    voice.link.close("idle")
    before = voice.frames
    assert before[-1][0] == Opcode.CLOSE
    voice.link.resume_writing()
    voice.pings(b"are you there?")
    voice.says_close(1000)
    assert voice.frames == before


async def test_pings_of_an_upstream_that_does_not_read_pile_up_no_answers() -> None:
    world = Relayed()
    world.come()
    voice = world.succeed()
    voice.link.pause_writing()
    before = len(voice.transport.written)
    for number in range(1_000):
        voice.pings(number.to_bytes(2))
    assert len(voice.transport.written) == before
    voice.link.resume_writing()
    assert voice.frames[-1] == (Opcode.PONG, (999).to_bytes(2))
    assert len(voice.transport.written) == before + 1
    voice.link.resume_writing()
    assert len(voice.transport.written) == before + 1


async def test_a_silent_upstream_is_pinged_once_and_then_given_up() -> None:
    world = Relayed(relay={"ping_interval_s": 20.0, "ping_timeout_s": 10.0})
    life = world.come()
    voice = world.succeed()

    def pings() -> int:
        return sum(opcode == Opcode.PING for opcode, _ in voice.frames)

    stay(world, life, 19)
    assert pings() == 0
    stay(world, life, 8)
    assert pings() == 1
    voice.link.data_received(encode(Opcode.PONG, b""))
    stay(world, life, 19)
    assert pings() == 1
    stay(world, life, 9)
    assert pings() == 2
    assert not voice.transport.aborted
    stay(world, life, 3)
    assert voice.transport.aborted
    voice.loses_tcp()
    assert world.logged("upstream_lost")[0]["why"] == "no sign of life"
    assert voice.link.upstream.failures == 1


async def test_a_hello_nobody_answers_counts_only_where_it_is_a_usual_one() -> None:
    world = Relayed()
    first, second = world.come("device-1"), world.come("device-2")
    strange = world.succeed(greet=None)
    world.pass_time(7.1)
    strange.loses_tcp()
    assert strange.link.upstream.failures == 0
    world.succeed()
    world.pass_time(1)
    silent = world.succeed(greet=None)
    stay(world, first, 7)
    second.pings()
    world.pass_time(0.2)
    assert silent.transport.aborted
    before = silent.link.upstream.failures
    silent.loses_tcp()
    assert silent.link.upstream.failures == before + 1


async def test_an_upstream_that_breaks_the_protocol_is_given_up() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    voice.link.data_received(b"\xc2\x01x")  # a reserved bit
    assert voice.frames[-1] == (Opcode.CLOSE, (1002).to_bytes(2))
    assert not session_of(life).upstream
    world.pass_time(1.1)
    assert voice.transport.aborted
    voice.loses_tcp()
    assert life.connection.lifecycle.reason is None
    assert voice.link.upstream.failures == 1


async def test_a_message_beyond_our_limit_is_not_the_upstreams_fault() -> None:
    world = Relayed(wire={"message_bytes": 1_000})
    world.come()
    voice = world.succeed()
    voice.says(bytes(1_000))
    voice.says(bytes(1_001))
    assert voice.frames[-1] == (Opcode.CLOSE, (1009).to_bytes(2))
    voice.loses_tcp()
    assert voice.link.upstream.failures == 0


# -- back-pressure -----------------------------------------------------------------------


async def test_a_device_that_does_not_read_stops_its_upstream() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    life.connection.pause_writing()
    assert not voice.transport.reading
    voice.says(AUDIO)  # what was read already
    assert life.connection.outbox is not None
    life.connection.resume_writing()
    assert voice.transport.reading
    assert life.transport.frames[-1] == (Opcode.BINARY, AUDIO)


async def test_what_was_read_of_an_upstream_waits_for_its_device() -> None:
    world = Relayed(wire={"frames_per_turn": 2})
    life = world.come()
    voice = world.succeed()
    before = len(life.transport.frames)
    voice.link.data_received(binary_frame(AUDIO) * 5)
    life.connection.pause_writing()
    await settle()
    life.connection.resume_writing()
    await settle()
    assert len(life.transport.frames) - before == 5
    assert voice.transport.reading


async def test_the_goodbye_of_an_upstream_that_was_not_heard_is_heard() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    life.connection.pause_writing()
    life.session.close(CloseReason.KICKED)
    assert voice.transport.reading


async def test_an_upstream_that_comes_while_the_device_does_not_read_waits() -> None:
    world = Relayed()
    life = world.come()
    life.connection.pause_writing()
    voice = world.succeed()
    assert not voice.transport.reading
    life.connection.resume_writing()
    assert voice.transport.reading


async def test_an_upstream_that_does_not_read_stops_its_device_and_no_other() -> None:
    world = Relayed()
    life, other = world.come("device-1"), world.come("device-2")
    voice, _ = world.succeed(), world.succeed()
    voice.link.pause_writing()
    assert not life.transport.reading
    assert other.transport.reading
    voice.link.resume_writing()
    assert life.transport.reading


async def test_a_device_is_heard_again_when_the_upstream_that_did_not_read_is_gone() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    voice.link.pause_writing()
    voice.loses_tcp()
    assert life.transport.reading
    assert not life.connection._holds & HOLD_RECEIVER


async def test_an_upstream_that_takes_something_now_and_then_is_waited_for() -> None:
    world = Relayed(outbox={"stuck_after_s": 5.0})
    life = world.come()
    voice = world.succeed()
    voice.transport.buffered_bytes = 100_000
    voice.link.pause_writing()
    for _ in range(10):
        stay(world, life, 4)
        voice.transport.buffered_bytes -= 100
    assert not voice.transport.aborted
    stay(world, life, 7)
    assert voice.transport.aborted
    voice.loses_tcp()
    assert voice.link.upstream.failures == 0


async def test_a_held_device_is_not_judged_by_its_silence() -> None:
    world = Relayed(outbox={"stuck_after_s": 600.0})
    life = world.come()
    voice = world.succeed()
    voice.link.pause_writing()
    world.pass_time(200)
    assert life.connection.lifecycle.reason is None
    assert session_of(life).upstream
