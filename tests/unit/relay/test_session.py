"""A relayed session: what it waits for, whom it tells what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from unittest import mock

import pytest

from keepline.gateway.drain.turn import Talk
from keepline.gateway.isolation.release import release_biggest
from keepline.gateway.tuning.tuner import Known
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from tests.unit.gateway.fakes import Life
from tests.unit.relay.voices import SAID, Relayed, hello, session_of

AUDIO = bytes(range(120))
START = '{"type":"listen","state":"start","session_id":"up-1"}'
SPEAK = '{"type":"tts","state":"start"}'


@pytest.fixture(autouse=True)
def _no_patch_outlives_its_test() -> Iterator[None]:
    yield
    mock.patch.stopall()


async def test_the_upstream_hears_the_hello_and_answers_it() -> None:
    world = Relayed()
    life = world.come()
    assert life.heard == []
    voice = world.succeed()
    assert voice.frames[0] == (Opcode.TEXT, SAID.encode())
    assert life.heard == [json.loads(hello())]
    assert session_of(life).upstream == voice.link.upstream.name


async def test_what_is_said_meanwhile_is_heard_in_order() -> None:
    world = Relayed()
    life = world.come()
    life.streams(AUDIO)
    life.says(START)
    voice = world.succeed(greet=None)
    life.streams(b"3")
    voice.says(hello())
    life.says("4")
    assert voice.heard == [AUDIO, START, b"3", "4"]


async def test_too_much_said_before_an_upstream_is_there_ends_the_session() -> None:
    world = Relayed(inbox={"control_messages": 2})
    life = world.come()
    life.says("1")
    life.says("2")
    assert life.connection.lifecycle.reason is None
    life.says("3")
    assert life.connection.lifecycle.reason is CloseReason.INBOX_OVERFLOW


async def test_a_hello_nobody_answers_is_answered_by_us_in_time() -> None:
    world = Relayed()
    life = world.come()
    world.pass_time(6.9)
    assert life.heard == []
    world.pass_time(0.2)
    (answer,) = life.heard
    assert (answer["type"], answer["session_id"]) == ("hello", life.session.session_id)
    voice = world.succeed()
    assert len(life.heard) == 1  # one hello is enough
    life.says(json.dumps({"type": "abort", "session_id": life.session.session_id}))
    assert json.loads(str(voice.heard[0]))["session_id"] == "up-1"
    voice.says('{"type":"stt","session_id":"up-1"}')
    assert life.heard[1]["session_id"] == life.session.session_id


async def test_a_connect_that_fails_is_tried_again_with_longer_pauses() -> None:
    world = Relayed(relay={"hello_timeout_s": 600.0})
    world.come()
    pauses = []
    for _ in range(8):
        world.fail()
        before = world.clock.now()
        while not world.dials:
            world.pass_time(0.1)
        pauses.append(world.clock.now() - before)
    assert pauses[0] < 0.6
    assert 7.0 < pauses[-1] <= 15.1


async def test_who_begins_to_speak_is_tried_at_once() -> None:
    world = Relayed()
    life = world.come()
    world.fail()
    life.says("now!")
    assert len(world.dials) == 1


async def test_each_further_word_is_no_reason_to_try_again_at_once() -> None:
    world = Relayed()
    life = world.come()
    life.says("now!")
    world.fail()
    for _ in range(3):
        life.streams(AUDIO)
    assert not world.dials
    world.pass_time(0.6)
    assert len(world.dials) == 1


async def test_a_wait_that_takes_too_long_is_told_and_what_was_said_is_dropped() -> None:
    world = Relayed()
    life = world.come()
    life.says("help")
    world.pass_time(7.1)
    assert [message["type"] for message in life.heard] == ["hello", "tts"]
    voice = world.succeed()
    assert voice.heard == []


async def test_a_refused_device_is_told_by_a_close() -> None:
    world = Relayed()
    life = world.come()
    session_of(life).on_refused("the upstream answered 403")
    assert life.connection.lifecycle.reason is CloseReason.UPSTREAM_REFUSED
    assert life.transport.close_code == 1008


# -- losing one --------------------------------------------------------------------------


async def test_an_idle_device_hears_nothing_of_it() -> None:
    world = Relayed()
    life = world.come()
    world.succeed().loses_tcp()
    world.pass_time(5.1)
    voice = world.succeed(greet="up-2")
    assert life.heard == [json.loads(hello())]
    assert voice.frames[0] == (Opcode.TEXT, SAID.encode())


async def test_everybody_is_connected_anew_at_a_moment_of_its_own() -> None:
    world = Relayed()
    for number in range(40):
        world.come(f"device-{number}")
    voices = [world.succeed() for _ in range(40)]
    for voice in voices:
        voice.loses_tcp()
    dialled = []
    for _ in range(51):
        world.pass_time(0.1)
        dialled.append(len(world.dials))
    assert dialled[0] < 8
    assert 10 < dialled[25] < 30
    assert dialled[-1] == 40


async def test_a_cut_conversation_is_stopped_and_goes_on_soon() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    life.says(START)
    life.streams(AUDIO)
    voice.loses_tcp()
    assert life.heard[-1] == {"type": "tts", "state": "stop", "session_id": "up-1"}
    world.pass_time(0.6)
    life.streams(b"more")
    heard = world.succeed(greet="up-2").heard
    assert heard == [START.replace("up-1", "up-2"), b"more"]


async def test_who_was_listening_to_an_answer_begins_anew_by_itself() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    life.says(START)
    voice.says(SPEAK)
    voice.loses_tcp()
    world.pass_time(0.6)
    assert world.succeed(greet="up-2").heard == []  # it says `listen start` after the stop


async def test_only_a_session_that_talks_is_closed_when_that_is_wanted() -> None:
    world = Relayed(relay={"on_cut": "close"})
    quiet, talking = world.come("device-1"), world.come("device-2")
    voices = [world.succeed(), world.succeed()]
    talking.streams(AUDIO)
    for voice in voices:
        voice.loses_tcp()
    assert quiet.connection.lifecycle.reason is None
    assert talking.connection.lifecycle.reason is CloseReason.UPSTREAM_LOST


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 1014])
async def test_an_upstream_that_will_be_back_is_replaced(code: int) -> None:
    world = Relayed()
    life = world.come()
    world.succeed().says_close(code)
    world.pass_time(5.1)
    assert life.connection.lifecycle.reason is None
    assert len(world.dials) == 1


@pytest.mark.parametrize(
    ("code", "told"), [(None, 1000), (1000, 1000), (1008, 1008), (3000, 3000), (4000, 4000)]
)
async def test_one_that_hangs_up_ends_the_session_with_its_code(
    code: int | None, told: int
) -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    voice.says_close(code, "bye" if code else "")
    assert life.connection.lifecycle.reason is CloseReason.UPSTREAM_CLOSED
    assert life.transport.close_code == told
    assert voice.frames[-1][0] == Opcode.CLOSE
    assert not world.dials


# -- the end -----------------------------------------------------------------------------


async def test_a_device_that_leaves_lets_go_of_everything() -> None:
    world = Relayed()
    connected, waiting = world.come("device-1"), world.come("device-2")
    voice = world.succeed()
    connected.loses_tcp()
    waiting.loses_tcp()
    assert voice.frames[-1][0] == Opcode.CLOSE
    assert not voice.transport.closed  # the upstream does that
    world.pass_time(1.1)
    assert voice.transport.aborted
    voice.loses_tcp()
    assert voice.link.upstream.live == 0
    assert world.node.wheel.armed == 0


async def test_the_end_of_a_session_is_the_end_of_its_upstream_at_once() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    life.session.close(CloseReason.KICKED)
    assert voice.frames[-1][0] == Opcode.CLOSE
    voice.says("too late")
    assert life.transport.frames[-1][0] == Opcode.CLOSE


# -- lazily ------------------------------------------------------------------------------


async def test_a_lazy_device_is_answered_in_the_words_of_an_upstream() -> None:
    world = Relayed(relay={"open": "speech"})
    world.come("first")
    world.succeed(greet="up-1")
    life = world.come()
    assert not world.dials
    (answer,) = life.heard
    assert answer == json.loads(hello(life.session.session_id))
    life.streams(AUDIO)
    assert world.succeed(greet="up-2").heard == [AUDIO]


async def test_a_lazy_device_is_answered_as_the_latest_upstream_says_it() -> None:
    world = Relayed(relay={"open": "speech"})
    world.come("first")
    world.succeed(greet="up-1")
    life = world.come("second")
    life.streams(AUDIO)
    audio = {"format": "opus", "sample_rate": 16_000, "channels": 1, "frame_duration": 60}
    world.succeed(greet=None).says(json.dumps({**json.loads(hello()), "audio_params": audio}))
    (answer,) = world.come("third").heard
    assert answer["audio_params"] == audio


def stay(world: Relayed, life: Life, for_s: int) -> None:
    """Let time pass for a device that answers and says nothing."""
    for _ in range(for_s):
        world.pass_time(1)
        life.pings()


async def test_an_upstream_is_given_up_when_nothing_is_said_for_long() -> None:
    world = Relayed(relay={"open": "speech", "release_after_s": 60.0, "ping_interval_s": 300.0})
    life = world.come()
    voice = world.succeed()
    life.streams(AUDIO)
    stay(world, life, 50)
    voice.says(b"still talking")
    stay(world, life, 59)
    voice.pings(b"no word")  # life, but nothing said
    assert session_of(life).upstream
    world.pass_time(1.5)
    assert not session_of(life).upstream
    assert voice.frames[-1][0] == Opcode.CLOSE
    assert not world.dials
    life.streams(b"again")
    assert world.succeed(greet="up-2").heard == [b"again"]


async def test_a_lazy_device_that_lost_its_upstream_needs_none_until_it_speaks() -> None:
    world = Relayed(relay={"open": "speech"})
    life = world.come()
    world.succeed().loses_tcp()
    world.pass_time(20)
    assert not world.dials
    life.says("hello again")
    assert len(world.dials) == 1


# -- whether there is a conversation -------------------------------------------------------


async def test_a_relayed_device_talks_until_its_upstream_has_said_all() -> None:
    world = Relayed()
    life = world.come()
    voice = world.succeed()
    world.pass_time(5)

    def talk() -> Talk:
        return life.session.talk(world.node.ticker.now)

    assert talk() is Talk.SILENT
    life.says(START)
    life.streams(AUDIO)
    assert talk() is Talk.ASKING
    world.pass_time(2)  # what is said may need an answer yet
    assert talk() is Talk.ASKING
    voice.says(SPEAK)
    world.pass_time(20)
    assert talk() is Talk.ANSWERING
    told: list[object] = []
    world.node.drain.turn_is_over = told.append  # type: ignore[method-assign,assignment]
    voice.says('{"type":"tts","state":"stop"}')
    assert told == [life.session]
    world.pass_time(4)
    assert talk() is Talk.SILENT


# -- draining ----------------------------------------------------------------------------


async def test_an_answer_that_never_ends_is_over_when_its_upstream_is_given_up() -> None:
    world = Relayed(relay={"open": "speech", "release_after_s": 60.0, "ping_interval_s": 300.0})
    life = world.come()
    voice = world.succeed()
    voice.says(SPEAK)
    stay(world, life, 61)
    assert not session_of(life).upstream
    assert life.session.talk(world.node.ticker.now) is Talk.SILENT


async def test_a_draining_upstream_is_left_when_its_answer_is_over() -> None:
    world = Relayed(session={"idle_after_s": 5.0})
    life = world.come()
    voice = world.succeed()
    life.says(START)
    voice.says(SPEAK)
    voice.link.upstream.drain()
    world.relay.empty(voice.link.upstream)
    world.pass_time(6)  # it listens, and says nothing
    assert session_of(life).upstream
    voice.says('{"type":"tts","state":"stop"}')
    assert not session_of(life).upstream
    world.pass_time(5.1)
    assert len(world.dials) == 1


async def test_a_draining_upstream_is_left_when_the_device_turns_idle() -> None:
    world = Relayed(session={"idle_after_s": 5.0})
    life = world.come()
    voice = world.succeed()
    life.streams(AUDIO)
    voice.link.upstream.drain()
    world.relay.empty(voice.link.upstream)
    assert session_of(life).upstream
    world.pass_time(5.2)
    assert not session_of(life).upstream


async def test_under_pressure_what_waits_for_an_upstream_loses_its_audio_and_no_message() -> None:
    world = Relayed()
    life = world.come()
    life.says(START)
    for _ in range(5):
        life.streams(AUDIO)
    assert release_biggest(world.node) == 5 * len(AUDIO)
    life.streams(AUDIO)
    assert life.session.drop_audio() == 1
    assert world.counters.inbox_audio_dropped == 6
    assert world.succeed().heard == [START]


# -- pings that are learned ----------------------------------------------------------------


def pings_to(life: Life) -> list[bytes]:
    return [payload for opcode, payload in life.transport.frames if opcode == Opcode.PING]


@pytest.mark.parametrize("says", [SPEAK, AUDIO], ids=["text", "audio"])
async def test_what_is_sent_into_a_long_silence_is_followed_by_a_ping_at_once(
    says: str | bytes,
) -> None:
    world = Relayed(session={"idle_after_s": 5}, tuning={"verdict_s": 120})
    life = world.come()
    voice = world.succeed()
    life.connection.address = "192.0.2.7"
    while not pings_to(life):
        world.pass_time(0.1)
    life.pongs(pings_to(life)[-1])
    assert world.node.tuning is not None
    world.node.tuning.tuner.recall({"192.0.2.7": Known(58, 88, world.node.ticker.now)})
    for _ in range(4):
        world.pass_time(10)
        voice.pings(b"")
    assert len(pings_to(life)) == 1
    for _ in range(5):
        voice.says(says)
    world.pass_time(0.2)
    assert len(pings_to(life)) == 2
    world.pass_time(6)
    assert life.connection.lifecycle.reason is CloseReason.HEARTBEAT_TIMEOUT
