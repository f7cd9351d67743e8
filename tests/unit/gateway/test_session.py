from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING, cast

import pytest

from keepline.errors import HandlerError
from keepline.gateway.drain.turn import Talk
from keepline.gateway.handler import Handler
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Abort, Custom, Stt, Tts, Unknown, encode_server_message
from tests.unit.gateway.fakes import Recorder, Slow, World, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage

HOUR_S = 3_600
ABORT = '{"type":"abort"}'
HANG_UP = {"closed_timeout_s": 0.02}  # how long a handler may take to end, in real seconds


class Async(Recorder):
    """Every call is a coroutine that waits for its turn of the loop."""

    async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.calls.append(("text", message))

    async def audio(self, session: Session, frame: bytes) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.calls.append(("audio", frame))


class Raises(Recorder):
    """Fails on every message."""

    def text(self, session: Session, message: DeviceMessage) -> None:
        super().text(session, message)
        raise RuntimeError("text")

    def closed(self, session: Session, reason: CloseReason) -> None:
        super().closed(session, reason)
        raise RuntimeError("closed")


# -- messages in ---------------------------------------------------------------------------


async def test_messages_reach_the_handler_typed_and_audio_as_it_is() -> None:
    life = World().connect()
    life.says(ABORT)
    life.streams(b"opus")
    assert life.handler.calls == [("opened", None), ("text", Abort()), ("audio", b"opus")]


async def test_a_type_nobody_knows_reaches_the_handler_untouched() -> None:
    life = World().connect()
    text = '{"type": "weather",  "wind": [1, 2.50]}'
    life.says(text)
    assert life.handler.calls[-1] == ("text", Unknown(type="weather", text=text))


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"type":7}', '{"type":"listen"}'])
async def test_what_cannot_be_read_is_counted_and_ignored(text: str) -> None:
    world = World()
    life = world.connect()
    life.says(text)
    assert world.counters.malformed_messages == 1
    assert life.handler.names == ["opened"]
    assert life.connection.lifecycle.reason is None


async def test_a_sync_handler_needs_no_task_and_no_queue() -> None:
    life = World().connect()
    for _ in range(100):
        life.says(ABORT)
        assert life.session._worker is None
        assert life.session._inbox is None


# -- one at a time, in order ---------------------------------------------------------------


async def test_async_calls_come_one_at_a_time_and_in_order() -> None:
    life = World(Async).connect()
    for number in range(20):
        life.streams(bytes((number,)))
        life.says(f'{{"type":"custom","payload":{number}}}')
    while life.session._worker is not None:
        await settle()
    expected = [item for n in range(20) for item in (bytes((n,)), Custom(n))]
    assert [what for _, what in life.handler.calls[1:]] == expected


async def test_the_next_call_waits_until_the_one_under_way_is_over() -> None:
    life = World(Slow).connect()
    assert isinstance(life.handler, Slow)
    life.says(ABORT)
    life.streams(b"one")
    await settle()
    assert life.handler.names == ["opened", "text"]
    life.handler.go.set()
    await settle()
    assert life.handler.names == ["opened", "text", "audio"]
    assert life.handler.most_at_once == 1


async def test_a_sync_call_waits_for_an_async_one_before_it() -> None:
    world = World(Slow)
    life = world.connect()
    life.says(ABORT)
    life.session.tell_idle()
    await settle()
    assert life.handler.names == ["opened", "text"]
    life.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert life.handler.names == ["opened", "text", "idle"]


async def test_a_task_exists_only_while_there_is_work() -> None:
    life = World(Async).connect()
    before = asyncio.all_tasks()
    life.says(ABORT)
    life.streams(b"x")
    assert life.session._worker is not None
    assert life.session._inbox is not None
    await settle()
    assert life.session._worker is None
    assert life.session._inbox is None
    assert asyncio.all_tasks() == before


# -- the inbox's limits --------------------------------------------------------------------


async def test_surplus_audio_goes_oldest_first_and_is_counted() -> None:
    world = World(Slow, inbox={"audio_frames": 2})
    life = world.connect()
    life.says(ABORT)
    for frame in (b"1", b"2", b"3", b"4"):
        life.streams(frame)
    assert world.counters.inbox_audio_dropped == 2
    life.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert [what for name, what in life.handler.calls if name == "audio"] == [b"3", b"4"]
    assert life.connection.lifecycle.reason is None


async def test_surplus_control_ends_the_session_with_a_reason() -> None:
    life = World(Slow, inbox={"control_messages": 2}).connect()
    for _ in range(3):
        life.says(ABORT)
    assert life.connection.lifecycle.reason is None  # one under way, two waiting
    life.says(ABORT)
    assert life.connection.lifecycle.reason is CloseReason.INBOX_OVERFLOW
    assert life.transport.close_code == 1008


async def test_a_message_that_waits_takes_no_more_memory_than_its_text() -> None:
    life = World(Slow).connect()
    life.says(ABORT)
    payload = ["a"] * 16_000
    text = encode_server_message(Custom(payload))
    tracemalloc.start()
    for _ in range(4):
        life.says(text)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 5 * len(text)
    life.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert life.handler.calls[2:] == [("text", Custom(payload))] * 4


# -- failures ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Raises, type("AsyncRaises", (Async,), {"idle": Raises.text})])
async def test_a_handler_that_raises_ends_with_1011(make: Callable[[], Handler]) -> None:
    world = World(make)
    life = world.connect()
    if make is Raises:
        life.says(ABORT)
    else:
        life.session.deliver(life.handler.idle, Abort())
        await settle()
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert life.transport.close_code == 1011


async def test_an_exception_in_closed_is_counted_and_the_rest_is_cleaned_up() -> None:
    world = World(Raises)
    life = world.connect()
    life.loses_tcp()
    assert world.counters.handler_failures == 1
    assert len(world.node.registry) == 0
    assert world.counters.disconnects[CloseReason.DEVICE_CLOSED] == 1


async def test_a_handler_that_cannot_be_made_is_no_session() -> None:
    def cannot() -> Handler:
        raise RuntimeError("no")

    world = World(cannot)
    with pytest.raises(HandlerError):
        world.connect()
    assert len(world.node.registry) == 0


# -- messages out --------------------------------------------------------------------------


async def test_what_is_sent_goes_out_as_the_right_kind_of_frame() -> None:
    world = World()
    life = world.connect()
    life.transport.written.clear()
    life.session.send(Stt("hello"))
    life.session.send_text("raw")
    life.session.send_audio(b"opus")
    assert life.transport.frames == [
        (Opcode.TEXT, b'{"type":"stt","text":"hello"}'),
        (Opcode.TEXT, b"raw"),
        (Opcode.BINARY, b"opus"),
    ]
    assert world.counters.messages_out == 3  # the hello's answer, too
    assert world.counters.audio_out == 1


async def test_no_data_frame_follows_our_close() -> None:
    # RFC 6455 §5.5.1
    life = World().connect()
    life.session.close()
    life.session.send(Stt("too late"))
    life.session.send_audio(b"too late")
    assert life.transport.frames[-1][0] == Opcode.CLOSE


async def test_closing_twice_sends_one_close_and_the_first_reason_wins() -> None:
    life = World().connect()
    life.session.close()
    life.session.close(CloseReason.KICKED)
    assert life.transport.close_code == 1000
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_CLOSED


async def test_saying_goodbye_in_closed_harms_nobody() -> None:
    class Polite(Recorder):
        def closed(self, session: Session, reason: CloseReason) -> None:
            session.send(Tts("stop"))
            session.send_audio(b"bye")
            session.close()
            super().closed(session, reason)

    world = World(Polite)
    life = world.connect()
    life.loses_tcp()
    assert life.handler.names == ["opened", "closed"]
    assert world.counters.handler_failures == 0


# -- the end -------------------------------------------------------------------------------


async def test_closed_comes_last_and_once_with_the_reason() -> None:
    life = World().connect()
    life.says(ABORT)
    life.loses_tcp()
    life.session.close()
    assert life.handler.calls[-1] == ("closed", CloseReason.DEVICE_CLOSED)
    assert life.handler.names == ["opened", "text", "closed"]


async def test_what_waits_is_delivered_before_closed() -> None:
    world = World(Slow)
    life = world.connect()
    life.says(ABORT)
    life.streams(b"last words")
    life.loses_tcp()
    await settle()
    assert life.handler.names == ["opened", "text"]
    life.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert life.handler.names == ["opened", "text", "audio", "closed"]
    assert not world.node.cleanups


async def test_a_call_that_never_ends_is_cut_and_closed_is_still_told() -> None:
    world = World(Slow, session=HANG_UP)
    life = world.connect()
    life.says(ABORT)
    life.loses_tcp()
    await asyncio.gather(*world.node.cleanups)
    assert life.handler.names == ["opened", "text", "closed"]
    assert len(world.logged("handler_too_slow_to_end")) == 1
    assert len(world.node.registry) == 0


class HangsInClosed(Recorder):
    async def closed(self, session: Session, reason: CloseReason) -> None:  # type: ignore[override]
        super().closed(session, reason)
        await asyncio.Event().wait()


async def test_a_closed_that_hangs_is_cut() -> None:
    world = World(HangsInClosed, session=HANG_UP)
    life = world.connect()
    life.loses_tcp()
    await asyncio.gather(*world.node.cleanups)
    assert life.handler.names == ["opened", "closed"]
    assert len(world.logged("handler_too_slow_to_end")) == 1
    assert world.counters.handler_failures == 0
    assert len(world.node.registry) == 0


async def test_nothing_is_told_once_closed_was() -> None:
    world = World(HangsInClosed, session=HANG_UP)
    life = world.connect()
    life.loses_tcp()
    life.session.tell_draining()
    await asyncio.gather(*world.node.cleanups)
    assert life.handler.names == ["opened", "closed"]


# -- whether there is a conversation -------------------------------------------------------


async def test_a_device_talks_while_it_records_and_no_longer() -> None:
    world = World()
    life = world.connect()

    def talk() -> Talk:
        return life.session.talk(world.node.ticker.now)

    assert talk() is Talk.SILENT
    life.says('{"type":"listen","state":"start","mode":"auto"}')
    world.pass_time(5)
    assert talk() is Talk.SILENT  # it says nothing
    life.streams(b"opus")
    life.session.send(Stt("hm"))
    assert talk() is Talk.ASKING
    life.says('{"type":"listen","state":"stop"}')
    assert talk() is Talk.SILENT  # it was answered


async def test_a_device_that_waits_for_its_answer_talks_for_a_moment_or_while_somebody_works() -> (
    None
):
    world = World()
    life = world.connect()
    world.pass_time(5)
    life.says('{"type":"listen","state":"detect","text":"hi"}')
    assert life.session.talk(world.node.ticker.now) is Talk.ASKING
    world.pass_time(3)
    assert life.session.talk(world.node.ticker.now) is Talk.SILENT
    life.session.spawn(asyncio.sleep(HOUR_S))
    assert life.session.talk(world.node.ticker.now) is Talk.ASKING
    life.session.send(Stt("ho"))
    assert life.session.talk(world.node.ticker.now) is Talk.SILENT
    life.loses_tcp()
    await settle()


async def test_a_call_that_is_under_way_is_part_of_a_turn_and_a_speech_an_answer() -> None:
    world = World(Slow)
    life = world.connect()
    life.says(ABORT)
    await settle()
    assert life.session.talk(world.node.ticker.now) is Talk.ASKING
    cast("Slow", life.handler).go.set()
    await settle()
    life.session.speak([b"opus"] * 100)
    await settle()
    assert life.session.talk(world.node.ticker.now) is Talk.ANSWERING
    life.session.stop_speaking()
    life.loses_tcp()
    await settle()


# -- work beside the calls -----------------------------------------------------------------


async def test_spawned_work_runs_beside_and_is_held() -> None:
    life = World().connect()
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("done")

    life.session.spawn(work())
    life.says(ABORT)
    assert life.handler.names == ["opened", "text"]
    await settle()
    assert done == ["done"]
    assert life.session._beside is not None
    assert not life.session._beside.tasks


async def test_spawned_work_is_cancelled_when_the_session_ends() -> None:
    life = World().connect()
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    life.session.spawn(work())
    await settle()
    life.loses_tcp()
    await settle()
    assert ended == ["cancelled"]
    assert life.handler.names[-1] == "closed"


async def test_work_spawned_in_the_last_moment_is_ended_too() -> None:
    life = World().connect()
    ran: list[str] = []

    async def work() -> None:
        ran.append("ran")

    life.session.spawn(work())
    life.loses_tcp()  # before the task had its first turn
    await settle()
    assert ran == []


async def test_spawning_when_all_is_over_runs_nothing() -> None:
    class Late(Recorder):
        def closed(self, session: Session, reason: CloseReason) -> None:
            super().closed(session, reason)
            session.spawn(asyncio.sleep(3_600))

    world = World(Late)
    before = asyncio.all_tasks()
    world.connect().loses_tcp()
    await settle()
    assert asyncio.all_tasks() == before
    assert world.counters.handler_failures == 0


async def test_spawned_work_that_fails_ends_its_session() -> None:
    life = World().connect()

    async def work() -> None:
        raise RuntimeError("no")

    life.session.spawn(work())
    await settle()
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED


async def test_a_timer_of_a_session_that_has_gone_leaves_nothing() -> None:
    life = World().connect()
    life.loses_tcp()
    await settle()
    life.session.after(1.0, life.handler.idle)
    assert not life.connection.node.seldom.besides


async def test_an_idle_session_keeps_no_empty_set_of_tasks() -> None:
    life = World().connect()
    life.session.spawn(asyncio.sleep(0))
    await settle()
    life.session.release_buffers()
    assert life.session._beside is None
