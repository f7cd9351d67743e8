from __future__ import annotations

import socket
import struct
import time
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import pytest

from keepline.gateway.receiver import Receiver
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.messages import Tts
from tests.unit.gateway.fakes import KEY, Life, Recorder, World

if TYPE_CHECKING:
    from keepline.gateway.session import Session

ABORT = '{"type":"abort"}'
LISTEN = '{"type":"listen","state":"start","mode":"auto"}'
FAST_HEART = {"interval_s": 1, "suspicious_s": 3, "zombie_s": 4}


def answer_pings(life: Life) -> None:
    """From now on the device answers each ping at once, as the firmware's stack does."""
    transport = life.transport
    answered = len(transport.written)

    def answer() -> None:
        nonlocal answered
        for frame in transport.written[answered:]:
            answered += 1
            if frame[0] & 0x0F == Opcode.PING:
                life.pongs(frame[2:])

    transport.on_write = answer


def state_of(life: Life) -> State:
    return life.connection.lifecycle.state


def pings_of(life: Life) -> list[bytes]:
    return [payload for opcode, payload in life.transport.frames if opcode == Opcode.PING]


# -- idle and awake ------------------------------------------------------------------------


async def test_a_reader_is_there_while_a_frame_is_not_whole_and_no_longer() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()
    assert life.connection._reader is None
    whole = encode_masked(Opcode.TEXT, ABORT.encode(), KEY)
    life.connection.data_received(whole[:9])
    assert life.connection._reader is not None
    world.pass_time(6)
    assert state_of(life) is State.IDLE
    assert life.connection._reader.buffered_bytes == 3
    life.connection.data_received(whole[9:])
    assert life.handler.names[-2:] == ["woken", "text"]
    assert life.connection._reader is None
    life.connection.data_received(whole + whole)
    assert life.handler.names[-2:] == ["text", "text"]
    assert life.connection._reader is None


async def test_without_data_messages_a_session_goes_idle_and_gives_its_buffers_back() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()
    world.pass_time(4.8)
    assert state_of(life) is State.ACTIVE
    world.pass_time(0.4)
    assert state_of(life) is State.IDLE
    assert life.handler.names == ["opened", "idle"]


async def test_pings_and_pongs_are_life_but_no_activity() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()
    answer_pings(life)
    for _ in range(6):
        world.pass_time(1.0)
        life.pings()
    assert state_of(life) is State.IDLE
    life.pings()
    assert state_of(life) is State.IDLE


async def test_data_messages_keep_a_session_active() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()
    for _ in range(4):
        world.pass_time(3.0)
        life.streams(b"x")
    assert "idle" not in life.handler.names
    world.pass_time(5.2)
    assert state_of(life) is State.IDLE


async def test_the_first_data_message_wakes_and_is_delivered_right_after() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()
    world.pass_time(6.0)
    life.says(ABORT)
    assert state_of(life) is State.ACTIVE
    assert life.handler.names == ["opened", "idle", "woken", "text"]
    world.pass_time(6.0)
    assert life.handler.names[-1] == "idle"


async def test_waking_takes_less_than_a_millisecond() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()
    took_s = []
    for _ in range(50):
        world.pass_time(6.0)
        assert state_of(life) is State.IDLE
        frame = encode_masked(Opcode.TEXT, ABORT.encode(), KEY)
        started = time.thread_time()
        life.connection.data_received(frame)
        took_s.append(time.thread_time() - started)
        assert life.handler.names[-1] == "text"
    assert median(took_s) < 0.001


async def test_a_handler_may_end_its_session_when_it_goes_idle() -> None:
    class Impatient(Recorder):
        def idle(self, session: Session) -> None:
            super().idle(session)
            session.close()

    world = World(Impatient, session={"idle_after_s": 20})
    life = world.connect()
    answer_pings(life)
    world.pass_time(20.2)
    assert life.transport.close_code == 1000
    world.pass_time(1.2)  # the device ignores it
    assert life.transport.aborted
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_CLOSED


# -- heartbeats ----------------------------------------------------------------------------


async def test_each_ping_has_its_own_id_and_its_pong_gives_a_round_trip() -> None:
    world = World()
    life = world.connect()
    world.pass_time(16.0)
    (payload,) = pings_of(life)
    world.clock.advance(0.04)
    life.pongs(payload)
    assert world.counters.pings_sent == 1
    assert world.counters.pongs_received == 1
    assert sum(world.counters.rtt.counts) == 1
    assert life.connection.heartbeat.average_rtt_s is not None
    world.pass_time(16.0)
    assert len(set(pings_of(life))) == len(pings_of(life)) >= 2


async def test_a_foreign_or_late_pong_is_life_and_no_round_trip() -> None:
    world = World()
    life = world.connect()
    world.pass_time(16.0)
    life.pongs(b"\x00\x00\x00\x63")
    life.pongs(b"")
    assert world.counters.pongs_received == 2
    assert sum(world.counters.rtt.counts) == 0


async def test_a_ping_of_the_device_is_answered_with_its_own_words_and_counted() -> None:
    world = World()
    life = world.connect()
    life.transport.written.clear()
    life.pings(b"are you there")
    assert life.transport.frames == [(Opcode.PONG, b"are you there")]
    assert world.counters.pings_received == 1


async def test_a_ping_flood_is_closed_with_1008() -> None:
    world = World()
    life = world.connect()
    for _ in range(20):
        life.pings()
    assert life.connection.lifecycle.reason is None
    life.pings()
    assert life.connection.lifecycle.reason is CloseReason.FLOODING
    assert life.transport.close_code == 1008


async def test_pongs_that_nobody_asked_for_are_limited_like_pings() -> None:
    world = World()
    life = world.connect()
    for _ in range(20):
        life.pongs(b"")
    assert life.connection.lifecycle.reason is None
    life.pongs(b"")
    assert life.connection.lifecycle.reason is CloseReason.FLOODING


async def test_a_steady_rate_of_pings_at_the_limit_is_no_flood() -> None:
    world = World()
    life = world.connect()
    for _ in range(5):
        for _ in range(20):
            life.pings()
        world.pass_time(1.0)
    assert life.connection.lifecycle.reason is None


async def test_silence_is_suspicious_then_closed_with_1001_and_tcp_is_dropped() -> None:
    world = World(heartbeat=FAST_HEART)
    life = world.connect()
    answer_pings(life)
    world.pass_time(3.0)
    assert sum(world.counters.rtt.counts) > 0
    life.transport.on_write = None  # it is dead from now on
    # I + 5.5P, with P at its least of 1 s, bounded by zombie_s; and the wheel's rounding.
    world.pass_time(4.5)
    assert world.counters.suspicions == 1
    assert life.connection.lifecycle.reason is CloseReason.HEARTBEAT_TIMEOUT
    assert life.transport.close_code == 1001
    assert life.transport.frames[-1][1][2:] == b"heartbeat_timeout"
    world.pass_time(1.2)
    assert life.transport.aborted
    linger_off = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert linger_off in life.transport.socket.options
    life.loses_tcp()
    assert world.counters.verdicts == 1
    assert world.counters.disconnects[CloseReason.HEARTBEAT_TIMEOUT] == 1


async def test_any_byte_answers_a_ping() -> None:
    world = World(heartbeat=FAST_HEART)
    life = world.connect()
    for _ in range(20):
        world.pass_time(1.0)
        life.connection.data_received(b"\x82")  # the first byte of a frame that takes its time
        world.pass_time(0.5)
        life.connection.data_received(encode_masked(Opcode.BINARY, b"x", KEY)[1:])
    assert life.connection.lifecycle.reason is None
    assert world.counters.suspicions == 0


async def test_the_seed_preset_judges_at_30_60_and_90_seconds() -> None:
    world = World(heartbeat={"preset": "seed"}, session={"idle_after_s": 1_000})
    life = world.connect()
    world.pass_time(29.5)
    assert pings_of(life) == []
    world.pass_time(1.0)
    assert len(pings_of(life)) == 1
    world.pass_time(29.0)
    assert world.counters.suspicions == 0
    world.pass_time(1.0)
    assert world.counters.suspicions == 1
    world.pass_time(29.0)
    assert life.transport.close_code is None
    world.pass_time(1.0)
    assert life.transport.close_code == 1001


async def test_while_we_stand_still_nobody_falls_silent() -> None:
    world = World(heartbeat=FAST_HEART)
    lives = [world.connect(f"device-{number}") for number in range(50)]
    for life in lives:
        answer_pings(life)
    for _ in range(10):
        world.pass_time(2.0)
        world.stall(5.0)
    assert world.counters.suspicions == 0
    assert all(life.connection.lifecycle.reason is None for life in lives)


async def test_a_mass_suspicion_holds_reaping_and_is_one_incident() -> None:
    world = World(heartbeat=FAST_HEART)
    lives = [world.connect(f"device-{number}") for number in range(300)]
    world.pass_time(5.5)  # nobody answers at all
    reaped = sum(life.transport.close_code == 1001 for life in lives)
    assert reaped < 100
    assert world.counters.mass_suspicions == 1
    assert len(world.logged("mass_suspicion")) == 1
    for life in lives:  # the network is back
        life.pongs(b"")
    world.pass_time(1.0)
    left = sum(life.transport.close_code is None for life in lives)
    assert left == 300 - reaped


async def test_who_was_told_to_leave_has_the_whole_bound_even_with_a_ping_unanswered() -> None:
    world = World(profiles={"xiaozhi": {"close_timeout_s": 3}})
    life = world.connect()
    while not pings_of(life):
        world.pass_time(0.1)
    world.pass_time(0.5)
    life.session.close()
    world.pass_time(2.8)
    assert not life.transport.aborted
    world.pass_time(0.4)
    assert life.transport.aborted


# -- endings -------------------------------------------------------------------------------


async def test_a_fin_without_close_is_how_a_device_hangs_up() -> None:
    world = World()
    life = world.connect()
    life.loses_tcp()
    assert world.counters.disconnects[CloseReason.DEVICE_CLOSED] == 1
    assert state_of(life) is State.CLOSED


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionResetError(104, "reset"), CloseReason.DEVICE_RESET),
        (BrokenPipeError(32, "pipe"), CloseReason.DEVICE_RESET),
        (TimeoutError(110, "timed out"), CloseReason.NETWORK_TIMEOUT),
        (OSError(113, "no route"), CloseReason.NETWORK_LOST),
        (RuntimeError("a fault of ours"), CloseReason.INTERNAL_ERROR),
    ],
)
async def test_other_losses_are_told_apart(error: Exception, reason: CloseReason) -> None:
    world = World()
    world.connect().loses_tcp(error)
    assert world.counters.disconnects[reason] == 1


@pytest.mark.parametrize(
    ("payload", "answer"),
    [(b"\x03\xe8bye", b"\x03\xe8"), (b"\x0f\xa0", b"\x0f\xa0"), (b"", b"")],
)
async def test_a_close_is_answered_with_its_code_and_tcp_closed_at_once(
    payload: bytes, answer: bytes
) -> None:
    life = World().connect()
    life.says_close(payload)
    assert life.transport.frames[-1] == (Opcode.CLOSE, answer)
    assert life.transport.closed
    assert not life.transport.aborted
    assert life.connection.lifecycle.reason is CloseReason.DEVICE_SAID_CLOSE


async def test_the_answer_to_our_close_ends_tcp_at_once() -> None:
    life = World().connect()
    life.session.close()
    assert not life.transport.closed
    life.says_close(b"\x03\xe8")
    assert life.transport.closed
    assert life.transport.close_code == 1000  # and not a second Close
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_CLOSED


async def test_a_device_that_ignores_our_close_loses_its_tcp_at_the_bound() -> None:
    world = World(profiles={"xiaozhi": {"close_timeout_s": 2}})
    life = world.connect()
    life.session.close()
    world.pass_time(1.8)
    assert not life.transport.aborted
    world.pass_time(0.4)
    assert life.transport.aborted


async def test_nothing_a_device_says_puts_the_end_off() -> None:
    world = World()
    life = world.connect()
    life.session.close()
    for _ in range(6):
        life.says(LISTEN)
        life.streams(b"x")
        life.pings()
        world.pass_time(0.2)
    assert life.transport.aborted


async def test_a_broken_rule_ends_with_its_code_after_what_came_before_it() -> None:
    life = World().connect()
    unmasked = b"\x81\x02hi"
    life.connection.data_received(encode_masked(Opcode.BINARY, b"ok", KEY) + unmasked)
    assert life.handler.calls[-1] == ("audio", b"ok")
    assert life.connection.lifecycle.reason is CloseReason.PROTOCOL_ERROR
    assert life.transport.close_code == 1002
    assert life.transport.ended  # no answer is awaited
    assert not life.transport.closed  # over bytes still unread it would lose the Close


async def test_text_that_is_no_text_ends_with_1007() -> None:
    life = World().connect()
    life.connection.data_received(encode_masked(Opcode.TEXT, b"\xff\xff", KEY))
    assert life.transport.close_code == 1007


async def test_a_message_beyond_the_limit_ends_with_1009() -> None:
    life = World(wire={"message_bytes": 100}).connect()
    life.connection.data_received(encode_masked(Opcode.BINARY, bytes(101), KEY))
    assert life.transport.close_code == 1009


async def test_before_the_hello_a_connection_ends_without_any_session() -> None:
    world = World()
    connection = world.greeted(Receiver())
    connection.connection_lost(None)
    assert connection.lifecycle.state is State.CLOSED
    assert len(world.logged("device_left_before_hello")) == 1


async def test_a_streaming_device_is_asked_as_soon_as_it_falls_silent() -> None:
    world = World()
    life = world.connect()
    answer_pings(life)
    life.says(LISTEN)
    for _ in range(20):
        world.pass_time(0.1)
        life.streams(b"x")
    asked = len(pings_of(life))
    life.transport.on_write = None
    world.pass_time(0.9)
    assert len(pings_of(life)) > asked
    world.pass_time(2.6)  # within three seconds, and the wheel's rounding
    assert life.connection.lifecycle.reason is CloseReason.HEARTBEAT_TIMEOUT


async def test_a_device_that_is_spoken_to_streams_nothing_and_is_not_suspected() -> None:
    world = World()
    life = world.connect()
    answer_pings(life)
    life.says(LISTEN)
    life.says('{"type":"listen","state":"stop"}')
    world.pass_time(10.0)
    assert world.counters.suspicions == 0
    assert len(pings_of(life)) <= 1


async def test_a_device_that_announced_audio_and_sent_none_is_pinged_at_leisure_once_idle() -> None:
    world = World(session={"idle_after_s": 5})
    life = world.connect()
    answer_pings(life)
    life.says(LISTEN)
    world.pass_time(6.0)
    asked = len(pings_of(life))
    world.pass_time(60.0)
    assert state_of(life) is State.IDLE
    assert len(pings_of(life)) - asked in range(4, 6)


async def test_a_device_that_is_silent_because_we_speak_is_not_suspected() -> None:
    world = World()
    life = world.connect()
    life.says(LISTEN)
    life.session.send(Tts("start"))
    world.pass_time(7.0)
    assert pings_of(life) == []


async def test_first_pings_are_spread_so_that_a_fleet_is_not_pinged_at_once() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(100)]
    first: dict[int, float] = {}
    for _ in range(160):
        world.pass_time(0.1)
        for number, life in enumerate(lives):
            if number not in first and pings_of(life):
                first[number] = world.node.ticker.now
    times = sorted(first.values())
    assert len(times) == 100
    assert max(later - sooner for sooner, later in pairwise(times)) < 1.0
    assert times[-1] - times[0] > 5.0
