from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, binary_frame, encode_masked
from keepline.wire.messages import Custom
from tests.unit.gateway.fakes import KEY, Life, World, settle

if TYPE_CHECKING:
    from collections.abc import Callable


FAST_HEART = {"interval_s": 1, "suspicious_s": 3, "zombie_s": 4}
SHORT_OUTBOX = {"audio_frames": 2, "control_messages": 2, "stuck_after_s": 5}


def paused(world: World) -> Life:
    """A connection whose peer has stopped reading."""
    life = world.connect()
    life.transport.written.clear()
    life.transport.buffered_bytes = 70_000
    life.connection.pause_writing()
    return life


# -- a peer that does not read -------------------------------------------------------------


async def test_while_a_peer_does_not_read_it_is_not_heard() -> None:
    life = paused(World())
    assert not life.transport.reading
    life.connection.resume_writing()
    assert life.transport.reading


async def test_what_waits_is_sent_in_order_when_the_peer_reads_again() -> None:
    world = World(outbox=SHORT_OUTBOX)
    life = paused(world)
    life.session.send_audio(b"a1")
    life.session.send_text("c1")
    life.session.send_audio(b"a2")
    assert life.transport.frames == []
    life.connection.resume_writing()
    assert [payload for _, payload in life.transport.frames] == [b"a1", b"c1", b"a2"]
    assert life.connection.outbox is None


async def test_what_waits_at_the_end_is_kept_when_the_peer_reads_too_late() -> None:
    life = paused(World())
    life.session.send(Custom({"n": 1}))
    life.session.close(CloseReason.SLOW_READER)
    life.connection.resume_writing()
    assert [b"custom" in payload for _, payload in life.transport.frames] == [False]  # a Close
    assert len(life.session.undelivered()) == 1


async def test_sending_stops_again_when_the_socket_is_full_again() -> None:
    life = paused(World())
    life.session.send_text("c1")
    life.session.send_text("c2")
    life.transport.on_write = life.connection.pause_writing
    life.connection.resume_writing()
    assert [payload for _, payload in life.transport.frames] == [b"c1"]
    life.session.send_text("c3")
    life.transport.on_write = None
    life.connection.resume_writing()
    assert [payload for _, payload in life.transport.frames] == [b"c1", b"c2", b"c3"]


async def test_surplus_audio_for_a_slow_peer_is_dropped_and_counted() -> None:
    world = World(outbox=SHORT_OUTBOX)
    life = paused(world)
    for frame in (b"1", b"2", b"3"):
        life.session.send_audio(frame)
    assert world.counters.outbox_audio_dropped == 1
    life.connection.resume_writing()
    assert [payload for _, payload in life.transport.frames] == [b"2", b"3"]


async def test_surplus_control_for_a_slow_peer_ends_its_session() -> None:
    life = paused(World(outbox=SHORT_OUTBOX))
    for text in ("1", "2", "3"):
        life.session.send_text(text)
    assert life.connection.lifecycle.reason is CloseReason.OUTBOX_OVERFLOW
    assert life.transport.close_code == 1013


async def test_what_waited_does_not_follow_the_close() -> None:
    # RFC 6455 §5.5.1
    life = paused(World())
    life.session.send_text("waits")
    life.session.close()
    life.connection.resume_writing()
    assert [opcode for opcode, _ in life.transport.frames] == [Opcode.CLOSE]


async def test_only_the_newest_ping_of_a_slow_peer_is_answered() -> None:
    # RFC 6455 §5.5.3
    world = World()
    life = world.connect()
    life.transport.written.clear()
    life.connection.pause_writing()
    burst = b"".join(encode_masked(Opcode.PING, bytes((n,)), KEY) for n in range(5))
    life.connection.data_received(burst)
    assert life.transport.frames == []
    life.connection.resume_writing()
    assert life.transport.frames == [(Opcode.PONG, b"\x04")]
    assert world.counters.pings_received == 5


async def test_a_stuck_reader_is_not_kept_until_its_next_ping_would_be_due() -> None:
    world = World(outbox={**SHORT_OUTBOX, "stuck_after_s": 2})
    life = paused(world)
    world.pass_time(1.8)
    assert life.connection.lifecycle.reason is None
    world.pass_time(0.4)
    assert life.connection.lifecycle.reason is CloseReason.SLOW_READER


async def test_a_reader_without_progress_is_closed_as_slow() -> None:
    world = World(outbox=SHORT_OUTBOX, heartbeat=FAST_HEART)
    life = paused(world)
    world.pass_time(4.5)
    assert life.connection.lifecycle.reason is None  # and no verdict: we do not hear it
    world.pass_time(3.0)
    assert life.connection.lifecycle.reason is CloseReason.SLOW_READER
    assert world.counters.suspicions == 0
    world.pass_time(1.2)
    assert life.transport.aborted


async def test_a_slow_reader_with_progress_survives() -> None:
    world = World(outbox=SHORT_OUTBOX)
    life = paused(world)
    for _ in range(60):
        world.pass_time(1.0)
        life.transport.buffered_bytes -= 100
    assert life.connection.lifecycle.reason is None


async def test_a_buffer_filled_anew_is_judged_anew() -> None:
    """It reads 14,000 bytes a second, and as much waits: the buffer itself never gets lower."""
    world = World(outbox=SHORT_OUTBOX | {"audio_frames": 1_000})
    life = paused(world)
    for _ in range(600):
        life.connection.send(binary_frame(bytes(1_000)), audio=True)  # unpaced
    for _ in range(10):
        for _ in range(4):
            world.pass_time(1.0)
            life.transport.buffered_bytes -= 14_000
        life.transport.buffered_bytes = 14_000
        life.transport.on_write = filling(life)
        life.connection.resume_writing()
    assert life.connection.lifecycle.reason is None


def filling(life: Life) -> Callable[[], None]:
    def fill() -> None:
        life.transport.buffered_bytes += 1_000
        if life.transport.buffered_bytes >= 70_000:
            life.connection.pause_writing()

    return fill


# -- fairness ------------------------------------------------------------------------------


async def test_a_burst_is_taken_a_turn_at_a_time_and_nothing_is_read_meanwhile() -> None:
    world = World(wire={"frames_per_turn": 10})
    life = world.connect()
    burst = b"".join(encode_masked(Opcode.BINARY, bytes((n,)), KEY) for n in range(25))
    life.connection.data_received(burst)
    assert len(life.handler.calls) == 1 + 10
    assert not life.transport.reading
    await settle()
    assert [what for _, what in life.handler.calls[1:]] == [bytes((n,)) for n in range(25)]
    assert life.transport.reading


async def test_two_reasons_not_to_read_are_both_waited_for() -> None:
    world = World(wire={"frames_per_turn": 10})
    life = world.connect()
    burst = b"".join(encode_masked(Opcode.BINARY, b"x", KEY) for _ in range(15))
    life.connection.data_received(burst)
    life.connection.pause_writing()
    await settle()
    assert len(life.handler.calls) == 1 + 10
    assert not life.transport.reading
    life.connection.resume_writing()
    await settle()
    assert len(life.handler.calls) == 1 + 15
    assert life.transport.reading
