"""Handlers whose calls run in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from keepline.errors import HandlerError, SessionEndedError
from keepline.gateway.handler import Handler
from keepline.gateway.speech import Speech
from keepline.gateway.threads import ThreadedSession, _given
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Custom, Stt
from tests.unit.gateway.fakes import Life, World
from tests.unit.gateway.test_memory import come
from tests.unit.gateway.virtual_time import LoopClock
from tests.waiting import eventually

if TYPE_CHECKING:
    from keepline.wire.messages import DeviceMessage

ABORT = '{"type":"abort"}'
CUSTOM = '{"type":"custom","payload":%d}'


class Blocking(Handler[ThreadedSession]):
    """Notes its calls and in which thread they are made; `text` blocks until `go` is set."""

    threaded = True

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.failure: BaseException | None = None

    def _note(self, name: str, what: object = None) -> None:
        self.threads.add(threading.get_ident())
        self.calls.append((name, what))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def opened(self, session: ThreadedSession) -> None:
        self._note("opened")

    def text(self, session: ThreadedSession, message: DeviceMessage) -> None:
        self._note("text", message)
        assert self.go.wait(5)
        try:
            self.work(session)
        except BaseException as error:
            self.failure = error
            raise

    def work(self, session: ThreadedSession) -> None:
        """What a test has it do."""

    def audio(self, session: ThreadedSession, frame: bytes) -> None:
        self._note("audio", frame)

    def closed(self, session: ThreadedSession, reason: CloseReason) -> None:
        self._note("closed", reason)


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(4)
    yield executor
    executor.shutdown(wait=False)


def a_life(pool: ThreadPoolExecutor, work: Any = None, **sections: Any) -> tuple[Life, Blocking]:
    handler = type("Working", (Blocking,), {} if work is None else {"work": work})
    life = World(handler, clock=LoopClock(), handler_threads=pool, **sections).connect()
    made: Any = life.session.handler
    return life, made


async def told(life: Life, handler: Blocking, message: str = ABORT) -> None:
    """Have the handler's `text` run to its end."""
    handler.go.set()
    life.says(message)
    await eventually(lambda: life.session._worker is None)


def sent(life: Life) -> list[bytes]:
    return [payload for opcode, payload in life.transport.frames if opcode != Opcode.CLOSE]


# -- calls ---------------------------------------------------------------------------------


async def test_calls_are_made_in_threads_one_at_a_time_and_in_order(
    pool: ThreadPoolExecutor,
) -> None:
    life, handler = a_life(pool)
    handler.go.set()
    for number in range(30):
        life.says(CUSTOM % number)
        life.streams(bytes((number,)))
    await eventually(lambda: life.session._worker is None)
    expected = [what for n in range(30) for what in (Custom(n), bytes((n,)))]
    assert [what for _, what in handler.calls[1:]] == expected
    assert threading.get_ident() not in handler.threads


async def test_a_blocked_handler_blocks_neither_the_loop_nor_another(
    pool: ThreadPoolExecutor,
) -> None:
    world = World(Blocking, handler_threads=pool)
    one, other = world.connect("one"), world.connect("other")
    handlers: list[Any] = [one.session.handler, other.session.handler]
    one.says(ABORT)
    await eventually(lambda: "text" in handlers[0].names)
    other.streams(b"opus")
    await eventually(lambda: "audio" in handlers[1].names)
    assert one.session._worker is not None  # in its call still
    handlers[0].go.set()
    await eventually(lambda: one.session._worker is None)
    assert (handlers[0].names, handlers[1].names) == (["opened", "text"], ["opened", "audio"])


async def test_the_inbox_of_a_blocked_handler_is_bounded(pool: ThreadPoolExecutor) -> None:
    life, handler = a_life(pool, inbox={"control_messages": 2})
    await eventually(lambda: life.session._worker is None)
    for _ in range(3):
        life.says(ABORT)
    assert life.connection.lifecycle.reason is None
    life.says(ABORT)
    assert life.connection.lifecycle.reason is CloseReason.INBOX_OVERFLOW
    handler.go.set()


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(1), StopIteration()])
async def test_what_a_call_raises_in_its_thread_ends_its_session(
    pool: ThreadPoolExecutor, error: BaseException
) -> None:
    def fail(self: Blocking, session: ThreadedSession) -> None:
        raise error

    life, handler = a_life(pool, fail)
    await told(life, handler)
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
    assert life.connection.node.counters.handler_failures == 1


async def test_a_threaded_handler_without_threads_is_a_mistake() -> None:
    with pytest.raises(HandlerError, match="given none"):
        World(Blocking).connect()


async def test_a_state_is_handed_over_between_threads(pool: ThreadPoolExecutor) -> None:
    class Keeping(Blocking):
        def snapshot(self) -> bytes:
            self._note("snapshot")
            return b"state"

        def restore(self, state: bytes) -> None:
            self._note("restore", state)

        def resumed(self, session: ThreadedSession) -> None:
            self._note("resumed")

    world = World(Keeping, handler_threads=pool)
    world.connect()
    newer: Any = world.connect().session
    await eventually(lambda: newer.handler.names == ["restore", "resumed"])
    assert newer.handler.calls[0] == ("restore", b"state")


# -- the session, from a thread ------------------------------------------------------------


async def test_what_a_thread_sends_arrives_in_order(pool: ThreadPoolExecutor) -> None:
    def work(self: Blocking, session: ThreadedSession) -> None:
        session.send(Stt("one"))
        session.send_text("two")
        session.send_audio(b"three")
        session.close()
        session.send_text("four")

    written_in: set[int] = set()
    life, handler = a_life(pool, work)
    life.transport.on_write = lambda: written_in.add(threading.get_ident())
    await told(life, handler)
    assert written_in == {threading.get_ident()}
    assert sent(life)[1:] == [b'{"type":"stt","text":"one"}', b"two", b"three"]
    assert life.transport.close_code == 1000


async def test_a_mistake_in_sending_is_raised_in_the_thread(pool: ThreadPoolExecutor) -> None:
    def work(self: Blocking, session: ThreadedSession) -> None:
        session.send(Custom({1: object()}))

    life, handler = a_life(pool, work)
    await told(life, handler)
    assert isinstance(handler.failure, TypeError)
    assert sent(life)[1:] == []


@pytest.mark.parametrize("as_iterator", [False, True])
async def test_speaking_blocks_until_it_was_heard(
    pool: ThreadPoolExecutor, *, as_iterator: bool
) -> None:
    taken_in: set[int] = set()

    def packets() -> Iterator[bytes]:
        for number in range(8):
            taken_in.add(threading.get_ident())
            yield bytes((number,))

    def work(self: Blocking, session: ThreadedSession) -> None:
        speech = session.speak(packets() if as_iterator else list(packets()), "Hello")
        self.calls.append(("spoken", (speech.done, speech.cancelled)))

    life, handler = a_life(pool, work)
    await told(life, handler)
    assert handler.calls[-1] == ("spoken", (True, False))
    audio = [payload for opcode, payload in life.transport.frames if opcode == Opcode.BINARY]
    assert audio == [bytes((number,)) for number in range(8)]
    assert threading.get_ident() not in taken_in


async def test_a_speech_that_is_cut_lets_its_thread_go(pool: ThreadPoolExecutor) -> None:
    ended = threading.Event()

    def packets() -> Iterator[bytes]:
        try:
            while True:
                yield b"opus"
        finally:
            ended.set()

    def work(self: Blocking, session: ThreadedSession) -> None:
        self.calls.append(("cut", session.speak(packets()).cancelled))

    life, handler = a_life(pool, work)
    handler.go.set()
    life.says(CUSTOM % 1)
    await eventually(lambda: len(life.transport.frames) > 5)
    life.says(ABORT)
    await eventually(lambda: ("cut", True) in handler.calls)
    assert ended.is_set()
    life.session.close()


async def test_a_part_that_finds_no_room_is_held_out_no_longer_than_its_session_waits() -> None:
    ready: asyncio.Queue[bytes | str | None] = asyncio.Queue(maxsize=1)
    ready.put_nowait(b"first")
    speech = Speech(asyncio.get_running_loop(), (), None)
    giving = asyncio.create_task(_given(ready, b"second", speech))
    await asyncio.sleep(0)
    giving.cancel()
    await asyncio.wait({giving})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert ready.qsize() == 1


async def test_what_its_packets_raise_is_raised_in_the_thread(pool: ThreadPoolExecutor) -> None:
    def packets() -> Iterator[bytes]:
        yield b"opus"
        raise ValueError("no voice")

    def work(self: Blocking, session: ThreadedSession) -> None:
        with pytest.raises(ValueError, match="no voice"):
            session.speak(packets())
        with pytest.raises(HandlerError, match="not int"):
            session.speak(iter([7]))  # type: ignore[arg-type]

    life, handler = a_life(pool, work)
    await told(life, handler)
    assert handler.failure is None
    beside = life.session._beside
    assert beside is not None
    await eventually(lambda: not beside.tasks)


async def test_a_tool_is_called_with_a_blocking_call(pool: ThreadPoolExecutor) -> None:
    def work(self: Blocking, session: ThreadedSession) -> None:
        session.call_tool("volume")

    life, handler = a_life(pool, work)
    await told(life, handler)
    assert "does not speak MCP" in str(handler.failure)


async def test_a_state_is_kept_when_a_blocking_save_returns(pool: ThreadPoolExecutor) -> None:
    def work(self: Blocking, session: ThreadedSession) -> None:
        session.save(b"state")
        self.calls.append(("kept", [each.state for each in world.hub._kept.values()]))

    world = World(type("Working", (Blocking,), {"work": work}), handler_threads=pool)
    life = await come(world)
    handler: Any = life.session.handler
    await told(life, handler)
    assert handler.failure is None
    assert b"state" in handler.calls[-1][1][0]


async def test_anything_can_be_awaited_from_a_thread(pool: ThreadPoolExecutor) -> None:
    async def later() -> int:
        await asyncio.sleep(0)
        return threading.get_ident()

    def work(self: Blocking, session: ThreadedSession) -> None:
        self.calls.append(("there", session.wait(later())))

    life, handler = a_life(pool, work)
    await told(life, handler)
    assert handler.calls[-1] == ("there", threading.get_ident())


async def test_waiting_on_the_loop_itself_is_a_mistake(pool: ThreadPoolExecutor) -> None:
    life, _ = a_life(pool)
    session: Any = life.session
    with pytest.raises(HandlerError, match="await"):
        session.wait(asyncio.Event().wait)


async def test_a_timer_calls_in_a_thread(pool: ThreadPoolExecutor) -> None:
    def ring(session: ThreadedSession) -> None:
        rung.append(threading.get_ident())

    def work(self: Blocking, session: ThreadedSession) -> None:
        session.after(0.001, ring)

    rung: list[int] = []
    life, handler = a_life(pool, work)
    await told(life, handler)
    await eventually(lambda: rung)
    assert rung[0] != threading.get_ident()


# -- the end -------------------------------------------------------------------------------


async def test_a_thread_that_waits_is_let_go_when_the_session_ends(
    pool: ThreadPoolExecutor,
) -> None:
    def work(self: Blocking, session: ThreadedSession) -> None:
        session.wait(asyncio.Event().wait())

    life, handler = a_life(pool, work)
    handler.go.set()
    life.says(ABORT)
    await eventually(lambda: life.session._beside and life.session._beside.tasks)
    life.loses_tcp()
    await asyncio.gather(*life.connection.node.cleanups)
    assert isinstance(handler.failure, SessionEndedError)
    assert handler.names == ["opened", "text", "closed"]
    assert life.connection.node.counters.handler_failures == 0


async def test_a_thread_that_does_not_come_back_is_reported_and_not_waited_for(
    pool: ThreadPoolExecutor,
) -> None:
    life, handler = a_life(pool, session={"closed_timeout_s": 0.02})
    world = life.connection.node
    life.says(ABORT)
    await eventually(lambda: "text" in handler.names)
    life.loses_tcp()
    await asyncio.gather(*world.cleanups)
    assert len(world.registry) == 0
    assert handler.names == ["opened", "text"]  # `closed` beside it would be two at a time
    assert world.counters.handler_failures == 1
    handler.go.set()
