"""Whole speeches: their order, their pace, and everything that cuts them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from keepline.gateway.speaker import MOST_WAITING, SETTLED_S
from keepline.gateway.speech import BETWEEN_S
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from tests.unit.gateway.fakes import Life, Recorder, World, settle
from tests.unit.gateway.virtual_time import LoopClock, pass_time, passed_s, virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage

ABORT = '{"type":"abort"}'
LISTEN = '{"type":"listen","state":"start","mode":"auto"}'
START, STOP = "start", "stop"


def frames(count: int) -> list[bytes]:
    return [index.to_bytes(2) for index in range(count)]


def said(life: Life) -> list[object]:
    """What the device was sent: packets, subtitles, and what `tts` began or ended."""
    heard: list[object] = []
    for opcode, payload in life.transport.frames:
        if opcode == Opcode.BINARY:
            heard.append(payload)
        elif opcode == Opcode.TEXT and (message := json.loads(payload))["type"] == "tts":
            heard.append(message.get("text", message["state"]))
    return heard


def a_life(make_handler: Any = Recorder, **sections: Any) -> Life:
    return World(make_handler, clock=LoopClock(), **sections).connect()


class Source:
    """An async generator of packets that notes how many were taken, and its end."""

    def __init__(self, count: int = 1_000) -> None:
        self.count = count
        self.taken = 0
        self.ended = False

    async def packets(self) -> AsyncIterator[bytes]:
        try:
            for frame in frames(self.count):
                self.taken += 1
                yield frame
        finally:
            await pass_time(0)
            self.ended = True


# -- saying it -----------------------------------------------------------------------------


@virtual
async def test_a_speech_is_wrapped_and_returns_when_it_was_heard() -> None:
    life = a_life()
    speech = await life.session.speak(frames(10), "Hello")
    assert passed_s() == pytest.approx(0.6)
    assert not speech.cancelled
    await pass_time(BETWEEN_S)
    assert said(life) == [START, "Hello", *frames(10), STOP]


@virtual
async def test_packets_are_a_few_ahead_and_then_in_real_time() -> None:
    life = a_life()
    life.session.speak(frames(20))
    for ahead, at_s in ((6, 0.001), (6, 0.059), (7, 0.061), (16, 0.601), (20, 0.85)):
        await pass_time(at_s - passed_s())
        assert len(said(life)) == 1 + ahead


@virtual
async def test_nothing_is_asked_for_before_it_is_due() -> None:
    life, source = a_life(), Source()
    life.session.speak(source.packets())
    await settle()
    assert source.taken == 7  # one waits to be due
    await pass_time(0.6)
    assert source.taken == 17


@virtual
async def test_subtitles_may_stand_among_the_packets() -> None:
    life = a_life()

    def sentences() -> Iterator[bytes | str]:
        yield "One."
        yield b"1"
        yield "Two."
        yield b"2"

    await life.session.speak(sentences())
    assert said(life) == [START, "One.", b"1", "Two.", b"2"]


@virtual
async def test_speeches_follow_each_other_in_one_turn() -> None:
    life = a_life()
    first = life.session.speak(frames(10), "first")
    second = life.session.speak(frames(3), "second")
    await second
    await pass_time(BETWEEN_S)
    assert said(life) == [START, "first", *frames(10), "second", *frames(3), STOP]
    assert (first.done, first.cancelled) == (True, False)
    assert passed_s() == pytest.approx(13 * 0.06 + BETWEEN_S)  # without a gap


@virtual
async def test_who_awaits_one_and_says_the_next_stays_in_the_turn() -> None:
    life = a_life()
    await life.session.speak(frames(2))
    await life.session.speak(frames(2))
    await pass_time(BETWEEN_S)
    assert said(life) == [START, *frames(2), *frames(2), STOP]


@virtual
async def test_after_a_pause_there_is_a_new_turn_and_no_task_meanwhile() -> None:
    life = a_life()
    await life.session.speak(frames(2))
    await pass_time(BETWEEN_S + 0.01)
    assert life.session._beside is not None
    assert not life.session._beside.tasks
    await life.session.speak(frames(1))
    assert said(life) == [START, *frames(2), STOP, START, *frames(1)]


@virtual
async def test_a_speech_that_is_printed_says_how_it_is() -> None:
    session = a_life().session
    first, second = session.speak(frames(1)), session.speak(frames(1))
    assert repr(first) == "<Speech under way>"
    second.cancel()
    assert repr(second) == "<Speech cancelled>"
    await first
    assert repr(first) == "<Speech done>"


@virtual
async def test_an_empty_speech_is_heard_at_once() -> None:
    life = a_life()
    assert not (await life.session.speak([])).cancelled
    assert passed_s() == 0


@virtual
async def test_a_device_that_takes_nothing_is_waited_for() -> None:
    life, source = a_life(), Source(30)
    life.session.speak(source.packets())
    await settle()
    life.connection.pause_writing()
    await pass_time(3)
    assert source.taken == 7
    life.connection.resume_writing()
    await pass_time(3)
    assert len(said(life)) == 1 + 30 + 1


@virtual
async def test_as_many_speeches_may_wait_as_are_allowed() -> None:
    life = a_life()
    life.session.speak(frames(1))
    await settle()
    for _ in range(MOST_WAITING):
        life.session.speak(frames(1))
    with pytest.raises(Exception, match="await some of them"):
        life.session.speak(frames(1))


# -- cutting it ----------------------------------------------------------------------------


@virtual
async def test_an_abort_stops_it_before_the_handler_hears_of_it() -> None:
    class Looking(Recorder):
        def text(self, session: Session, message: DeviceMessage) -> None:
            super().text(session, message)
            assert said(life)[-1] == STOP

    life, source = a_life(Looking), Source()
    speech = life.session.speak(source.packets())
    behind = life.session.speak(frames(5))
    await pass_time(1)
    life.says(ABORT)
    assert (speech.cancelled, behind.cancelled) == (True, True)
    assert life.handler.names == ["opened", "text"]
    taken = source.taken
    await pass_time(1)
    assert source.ended
    assert source.taken == taken
    assert said(life)[-1] == STOP
    assert said(life).count(STOP) == 1
    assert life.session._beside is not None
    assert not life.session._beside.tasks
    assert (await speech).cancelled


@virtual
async def test_listening_again_interrupts_what_is_under_way() -> None:
    life = a_life()
    speech = life.session.speak(frames(100))
    await pass_time(SETTLED_S)
    life.says(LISTEN)
    assert speech.cancelled
    assert said(life)[-1] == STOP


@virtual
async def test_a_device_that_goes_back_to_listening_does_not_cut_the_next_speech() -> None:
    life = a_life()
    await life.session.speak(frames(100))
    await pass_time(BETWEEN_S)
    speech = life.session.speak(frames(20))
    await pass_time(0.1)
    life.says(LISTEN)  # its answer to the first speech's end
    assert not (await speech).cancelled


class Thinking(Recorder):
    """Answers each message slowly, by a speech."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[bool] = []

    async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
        super().text(session, message)
        await pass_time(1)
        self.cancelled.append((await session.speak(frames(2))).cancelled)


@virtual
async def test_nothing_is_said_while_an_abort_waits_for_the_handler() -> None:
    life = a_life(Thinking)
    life.says('{"type":"listen","state":"stop"}')
    life.says(ABORT)
    await pass_time(1.5)
    assert said(life) == []
    await pass_time(2)
    assert life.handler.cancelled == [True, False]  # type: ignore[attr-defined]


@virtual
async def test_a_speech_can_be_cancelled_alone() -> None:
    life = a_life()
    first, second, third = (life.session.speak(frames(20)) for _ in range(3))
    await settle()
    second.cancel()
    assert (first.done, second.cancelled, third.done) == (False, True, False)
    first.cancel()
    first.cancel()
    assert said(life)[-2:] == [STOP, START]
    assert not (await third).cancelled
    assert first.cancelled


@virtual
async def test_cancelling_who_awaits_cuts_the_speech() -> None:
    life = a_life()
    speech = life.session.speak(frames(100))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(speech, 1)
    assert speech.cancelled
    assert said(life)[-1] == STOP


@virtual
async def test_everything_can_be_stopped_and_said_anew() -> None:
    life = a_life()
    speech = life.session.speak(frames(100))
    await pass_time(1)
    life.session.stop_speaking()
    again = life.session.speak(frames(1), "again")
    assert speech.cancelled
    await again
    assert said(life)[-4:] == [STOP, START, "again", frames(1)[0]]


@virtual
async def test_a_speech_that_was_not_begun_is_cut_without_a_trace() -> None:
    life, source = a_life(), Source()
    life.session.speak(source.packets())
    life.session.stop_speaking()
    await settle()
    assert source.taken == 0
    assert said(life) == [START, STOP]


@virtual
async def test_the_end_of_the_session_cuts_it_at_once() -> None:
    life, source = a_life(), Source()
    speech = life.session.speak(source.packets())
    await pass_time(1)
    beside = life.session.beside()
    life.session.close()
    assert speech.cancelled
    await settle()
    assert source.ended
    assert life.session.speak(frames(1)).cancelled
    life.loses_tcp()
    assert life.session.speak(frames(1)).cancelled
    assert life.session._speaker is None
    assert life.session._beside is None
    assert not beside.tasks


@virtual
async def test_a_source_that_ends_the_session_itself_harms_nobody() -> None:
    life = a_life()

    async def leaving() -> AsyncIterator[bytes]:
        yield b"bye"
        life.session.close()
        yield b"never heard"

    speech = life.session.speak(leaving())
    await settle()
    assert speech.cancelled
    assert life.connection.node.counters.handler_failures == 0


# -- what fails ----------------------------------------------------------------------------


async def failing() -> AsyncIterator[bytes]:
    yield b"opus"
    raise RuntimeError("the voice is gone")


@virtual
async def test_what_its_source_raises_comes_to_who_awaits_it() -> None:
    life = a_life()
    behind = None
    with pytest.raises(RuntimeError, match="the voice is gone"):
        await life.session.speak(failing())
    behind = await life.session.speak(frames(1))
    assert not behind.cancelled
    assert life.connection.lifecycle.reason is None


@virtual
async def test_what_nobody_awaits_fails_as_the_handler_s_own() -> None:
    life = a_life()
    speech = life.session.speak(failing())
    behind = life.session.speak(frames(1))
    await settle()
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert speech.cancelled
    assert behind.cancelled


@virtual
@pytest.mark.parametrize("part", [1, None, bytearray(b"opus"), ["nested"]])
async def test_a_part_of_another_type_says_what_a_part_is(part: object) -> None:
    life = a_life()
    with pytest.raises(Exception, match=f"not {type(part).__name__}"):
        await life.session.speak([part])  # type: ignore[list-item]
