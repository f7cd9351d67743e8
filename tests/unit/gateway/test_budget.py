"""A budget of messages: who keeps to it is never counted, who does not is read less."""

from __future__ import annotations

import tracemalloc
from itertools import cycle, islice

import pytest

from keepline.gateway.budget import ONE_OF, SMALL_READ_BYTES
from keepline.gateway.turns import Turns
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode, encode_masked
from keepline.wire.limits import Limits
from tests.unit.gateway.fakes import KEY, Life, World, settle

LIMIT = 128
AFTER_S = 3
AUDIO = encode_masked(Opcode.BINARY, bytes(120), KEY)
LARGE = encode_masked(Opcode.BINARY, bytes(60_000), KEY)


def world(messages_per_s: int = LIMIT) -> World:
    return World(wire={"messages_per_s": messages_per_s, "flooding_after_s": AFTER_S})


def speak(life: Life, frames: int, *, at_once: int = 1) -> None:
    """Send as a socket gives it: nothing more once reading is paused."""
    for _ in range(frames // at_once):
        if life.transport.reading:
            life.connection.data_received(AUDIO * at_once)


async def next_second(here: World) -> None:
    here.node.each_second()
    await settle()


def turns(here: World) -> Turns:
    return here.node.turns


def is_kept(here: World) -> bool:
    budget = turns(here).budget
    return bool(budget._seen or budget._spent or budget._watched)


@pytest.mark.parametrize(
    ("frames", "held"), [(LIMIT - 2, False), (LIMIT, False), (LIMIT + 2, True)]
)
async def test_who_sends_more_messages_than_its_budget_is_not_read_for_the_rest_of_the_second(
    frames: int, *, held: bool
) -> None:
    here = world()
    life = here.connect()
    speak(life, frames, at_once=2)
    assert life.transport.reading is not held
    assert len(turns(here)) == held
    assert here.counters.peers_held_back == held
    assert here.counters.audio_in == frames
    assert life.connection.lifecycle.reason is None


async def test_who_was_held_goes_on_in_the_next_second_with_what_it_had_sent_already() -> None:
    here = World(wire={"messages_per_s": 10, "frames_per_turn": 8})
    life = here.connect()
    life.connection.data_received(AUDIO * 40)
    heard = []
    for _ in range(4):
        await settle()
        heard.append(here.counters.audio_in)
        here.node.each_second()
    assert heard == [16, 32, 40, 40]
    assert life.transport.reading


async def test_who_sends_two_at_once_where_it_would_be_seen_is_seen_all_the_same() -> None:
    here = world()
    life = here.connect()
    for _ in range(10 * LIMIT // ONE_OF):
        speak(life, ONE_OF - 2)
        speak(life, 2, at_once=2)
    assert here.counters.audio_in <= 2 * LIMIT + ONE_OF


async def test_frames_that_come_one_by_one_are_found_out_and_held_to_the_same_budget() -> None:
    here = world()
    life = here.connect()
    speak(life, 10 * LIMIT)
    # To be found it takes as many as it may send, and from there on all are counted.
    assert here.counters.audio_in <= 2 * LIMIT + ONE_OF
    for second in range(2, 4):
        before = here.counters.audio_in
        await next_second(here)
        speak(life, 10 * LIMIT)
        assert here.counters.audio_in - before == LIMIT + 1
        assert here.counters.peers_held_back == second


async def test_a_device_that_happens_to_send_each_frame_that_is_looked_at_is_not_held() -> None:
    here = world()
    unlucky, *others = (here.connect(f"device-{number}") for number in range(ONE_OF))
    here.counters.frames_in = 0
    for life in islice(cycle([*others, unlucky]), ONE_OF * LIMIT):
        speak(life, 1)
    assert unlucky.connection._reader is not None  # suspected, and counted since
    assert here.counters.peers_held_back == 0
    assert here.counters.audio_in == ONE_OF * LIMIT


async def test_of_who_speaks_in_real_time_nothing_is_kept_and_no_frame_is_counted() -> None:
    here = World()
    life = here.connect()
    for _ in range(10):
        speak(life, 50)  # frames of 20 ms
        assert not turns(here).budget._spent
        await next_second(here)
    assert not is_kept(here)
    assert life.connection._reader is None


async def test_audio_that_was_saved_up_for_nine_seconds_is_heard_at_once() -> None:
    here = World()
    life = here.connect()
    for _ in range(10 * 50 // Limits().frames_per_turn):
        life.connection.data_received(AUDIO * Limits().frames_per_turn)
    assert life.transport.reading
    assert here.counters.peers_held_back == 0


async def test_who_sends_no_more_than_its_budget_again_is_forgotten() -> None:
    here = world()
    life = here.connect()
    speak(life, 10 * LIMIT)
    await next_second(here)
    assert life.connection._reader is not None  # counted one by one
    await next_second(here)
    assert life.connection._reader is None
    assert life.transport.reading
    assert not is_kept(here)


async def test_nothing_is_kept_of_a_flooder_that_has_gone() -> None:
    here = world()
    life = here.connect()
    speak(life, 10 * LIMIT)
    life.loses_tcp()
    for _ in range(2):
        await next_second(here)
    assert not is_kept(here)
    assert len(turns(here)) == 0


@pytest.mark.parametrize(
    ("seconds", "thrown_out"), [(AFTER_S - 1, False), (AFTER_S, True), (AFTER_S + 1, True)]
)
async def test_who_floods_second_after_second_is_thrown_out_and_not_heard_any_more(
    seconds: int, *, thrown_out: bool
) -> None:
    here = world()
    life = here.connect()
    for _ in range(seconds):
        speak(life, 10 * LIMIT)
        await next_second(here)
    assert (life.connection.lifecycle.reason is CloseReason.FLOODING) is thrown_out
    assert life.transport.close_code == (1008 if thrown_out else None)
    assert life.transport.reading is not thrown_out
    if thrown_out:
        assert life.connection.lifecycle.detail == f"more messages than allowed for {AFTER_S} s"


async def test_who_is_held_back_is_named_in_the_log_when_it_begins() -> None:
    here = world()
    life = here.connect()
    for _ in range(AFTER_S - 1):
        speak(life, 10 * LIMIT)
        await next_second(here)
    (line,) = here.logged("held_back")
    assert line["device_id"] == "device-1"


async def test_it_is_told_for_how_many_seconds_a_device_was_over_its_budget() -> None:
    here = world()
    life, other = here.connect("one"), here.connect("other")
    told = []
    for frames in (10 * LIMIT, 10 * LIMIT, LIMIT):
        speak(life, frames)
        await next_second(here)
        told.append(turns(here).budget.over_for_s(life.connection))
    assert told == [1, 2, 0]
    assert turns(here).budget.over_for_s(other.connection) == 0


async def test_a_second_within_the_budget_begins_the_count_of_seconds_anew() -> None:
    here = world()
    life = here.connect()
    for _ in range(4):
        speak(life, 10 * LIMIT)
        await next_second(here)
        speak(life, LIMIT)
        await next_second(here)
    assert life.connection.lifecycle.reason is None


@pytest.mark.parametrize(
    ("size", "held"), [(SMALL_READ_BYTES - 1, True), (SMALL_READ_BYTES, False)]
)
async def test_a_message_in_more_pieces_than_any_network_makes_is_counted_by_pieces(
    size: int, *, held: bool
) -> None:
    here = World(wire={"messages_per_s": 50})
    life = here.connect()
    for at in range(0, len(LARGE) - SMALL_READ_BYTES, size):
        if life.transport.reading:
            life.connection.data_received(LARGE[at : at + size])
    assert life.transport.reading is not held


async def test_ten_times_the_budget_takes_no_more_memory_than_one_read() -> None:
    here = world()
    life = here.connect()
    for _ in range(2):  # what is allocated once
        speak(life, 10 * LIMIT, at_once=64)
        await next_second(here)
    life.handler.calls.clear()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        speak(life, 10 * LIMIT, at_once=64)
        life.handler.calls.clear()
        assert tracemalloc.get_traced_memory()[0] - before < 64 * len(AUDIO)
    finally:
        tracemalloc.stop()


async def test_of_who_has_left_meanwhile_nothing_is_told_any_more() -> None:
    here = world()
    life = here.connect()
    speak(life, 2 * LIMIT, at_once=2)
    life.loses_tcp()
    await next_second(here)
    assert not here.logged("held_back")
    await next_second(here)
    assert not is_kept(here)
