"""Packets sent one by one, at the pace of the ear."""

from __future__ import annotations

from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Stt, Tts
from tests.unit.gateway.fakes import Life, World
from tests.unit.gateway.virtual_time import LoopClock, pass_time, passed_s, virtual

ABORT = '{"type":"abort"}'


def packets(life: Life) -> list[bytes]:
    return [payload for opcode, payload in life.transport.frames if opcode == Opcode.BINARY]


def pour(life: Life, count: int) -> list[bytes]:
    frames = [index.to_bytes(2) for index in range(count)]
    for frame in frames:
        life.session.send_audio(frame)
    return frames


@virtual
async def test_who_keeps_real_time_is_never_held_back() -> None:
    life = World(clock=LoopClock()).connect()
    for _ in range(50):
        life.session.send_audio(b"opus")
        await pass_time(0.06)
    assert len(packets(life)) == 50
    assert life.session._speaker is not None
    assert life.session._speaker.is_quiet


@virtual
async def test_a_flood_goes_out_in_real_time_after_the_first_packets() -> None:
    life = World(clock=LoopClock()).connect()
    frames = pour(life, 20)
    assert packets(life) == frames[:6]
    await pass_time(0.0601)
    assert packets(life) == frames[:7]
    await pass_time(13 * 0.06 + 0.001)
    assert packets(life) == frames
    assert life.session._speaker is not None
    assert life.session._speaker.is_quiet


@virtual
async def test_how_far_ahead_is_a_setting() -> None:
    life = World(clock=LoopClock(), session={"packets_ahead": 1}).connect()
    pour(life, 4)
    assert len(packets(life)) == 2


@virtual
async def test_of_a_flood_the_surplus_is_given_up_when_memory_is_short() -> None:
    world = World(clock=LoopClock())
    life = world.connect()
    assert life.session.drop_audio() == 0
    frames = pour(life, 20)
    assert life.session.drop_audio() == 14
    assert world.counters.outbox_audio_dropped == 14
    await pass_time(2)
    assert packets(life) == frames[:6]


@virtual
async def test_a_surplus_beyond_its_limit_loses_the_oldest_and_is_counted() -> None:
    world = World(clock=LoopClock(), outbox={"audio_frames": 4})
    life = world.connect()
    frames = pour(life, 6 + 4)
    assert world.counters.outbox_audio_dropped == 0
    life.session.send_audio(b"one more")
    assert world.counters.outbox_audio_dropped == 1
    await pass_time(1)
    assert packets(life) == [*frames[:6], *frames[7:], b"one more"]


@virtual
async def test_the_end_of_speaking_waits_for_the_packets_before_it() -> None:
    life = World(clock=LoopClock()).connect()
    pour(life, 8)
    life.session.send(Tts("stop"))
    life.session.send(Stt("at once"))
    assert b"at once" in life.transport.frames[-1][1]
    await pass_time(1)
    assert life.transport.frames[-1] == (Opcode.TEXT, b'{"type":"tts","state":"stop"}')
    assert len(packets(life)) == 8


@virtual
async def test_texts_that_wait_behind_packets_are_bounded() -> None:
    life = World(clock=LoopClock(), outbox={"control_messages": 3}).connect()
    pour(life, 8)
    for _ in range(3):
        life.session.send(Tts("sentence_start", "a"))
    assert life.connection.lifecycle.reason is None
    life.session.send(Tts("sentence_start", "a"))
    assert life.connection.lifecycle.reason is CloseReason.OUTBOX_OVERFLOW


@virtual
async def test_an_abort_drops_what_waits_but_not_the_end_of_speaking() -> None:
    life = World(clock=LoopClock()).connect()
    pour(life, 20)
    life.session.send(Tts("stop"))
    life.says(ABORT)
    assert life.transport.frames[-1] == (Opcode.TEXT, b'{"type":"tts","state":"stop"}')
    await pass_time(2)
    assert len(packets(life)) == 6


@virtual
async def test_listening_again_drops_what_waits() -> None:
    life = World(clock=LoopClock()).connect()
    pour(life, 20)
    life.says('{"type":"listen","state":"start","mode":"auto"}')
    await pass_time(2)
    assert len(packets(life)) == 6


@virtual
async def test_a_session_that_ends_leaves_no_timer() -> None:
    life = World(clock=LoopClock()).connect()
    pour(life, 20)
    assert life.session._speaker is not None
    timer = life.session._speaker._timer
    assert timer is not None
    life.loses_tcp()
    assert timer.cancelled()
    assert life.session._speaker is None


@virtual
async def test_an_idle_session_has_no_speaker() -> None:
    life = World(clock=LoopClock()).connect()
    assert life.session._speaker is None
    pour(life, 8)
    life.session.release_buffers()
    assert life.session._speaker is not None  # it has something to say yet
    await pass_time(1)
    life.session.release_buffers()
    assert life.session._speaker is None
    assert passed_s() == 1
