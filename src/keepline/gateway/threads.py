"""Handlers that block: their calls run in threads, and the loop never waits for one of them."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from keepline.errors import HandlerError, SessionEndedError
from keepline.gateway.calls import GONE
from keepline.gateway.fence import Fence
from keepline.gateway.isolation.places import place_of_thread
from keepline.gateway.session import Session
from keepline.gateway.toolbox import CALL_TIMEOUT_S
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
    from concurrent.futures import Executor

    from keepline.gateway.calls import Calls
    from keepline.gateway.connection import Connection
    from keepline.gateway.handler import AnyHandler
    from keepline.gateway.identity import Identity
    from keepline.gateway.isolation.faults import Faults
    from keepline.gateway.speech import Part, Parts, Speech
    from keepline.gateway.timers import Timer
    from keepline.gateway.toolbox import Tool, ToolResult
    from keepline.hub.port import Claim
    from keepline.wire.messages import Hello, ServerMessage

T = TypeVar("T")

LOOP_ANSWERS_S = 30.0
"""A loop that does not answer a thread for so long has stopped."""


class ThreadFence(Fence):
    """The fence around calls in threads: of one session one at a time, so one thread at most."""

    __slots__ = ("_idents", "_loop", "_threads")

    def __init__(self, faults: Faults, threads: Executor, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(faults)
        self._threads = threads
        self._loop = loop
        self._idents: dict[Calls, int] = {}  # of the threads that are in a call

    def call(
        self, session: Calls, method: Callable[..., object], *arguments: object
    ) -> Awaitable[object] | None:
        """Have a thread call `method(session, *arguments)`; the promise of its end is returned.

        None, and no call, when the thread of an earlier one has not come back: that is at the end
        of a session, whose time for it is over.
        """
        assert isinstance(session, ThreadedSession)
        if session.running is not None and not session.running.done():
            error = HandlerError("its thread did not come back; the calls that were left are lost")
            self.on_failure(session, method, error)
            session.connection.node.isolation.strays.thread(
                session.running, session, method, partial(self._place, session)
            )
            return None
        session.running = self._threads.submit(self._made, method, session, arguments)
        return asyncio.wrap_future(session.running, loop=self._loop)

    def call_with(
        self, session: Calls, method: Callable[..., object], argument: object
    ) -> Awaitable[object] | None:
        """As `call`."""
        return self.call(session, method, argument)

    def where(self, session: Calls) -> str:
        """Return as FILE:LINE where the session's thread is; said, too, when it has none."""
        return self._place(session) or "no thread was free (handlers.threads)"

    def _place(self, session: Calls) -> str:
        return place_of_thread(self._idents.get(session))

    def _made(
        self, method: Callable[..., object], session: Calls, arguments: tuple[object, ...]
    ) -> object:
        self._idents[session] = threading.get_ident()
        try:
            return method(session, *arguments)
        except StopIteration as error:  # which no future can carry
            raise HandlerError("the call raised StopIteration") from error
        finally:
            self._idents.pop(session, None)


def thread_fence(
    faults: Faults, threads: Executor | None, loop: asyncio.AbstractEventLoop
) -> ThreadFence | None:
    """Return the fence around calls in `threads`, None where there are none."""
    return None if threads is None else ThreadFence(faults, threads, loop)


class ThreadedSession(Session):
    """The session of a `threaded` handler: every method may be called in any thread.

    `speak`, `call_tool`, `tools` and `save` block a thread until there is a result, and `wait`
    does so for anything else that can be awaited. In a coroutine of the loop they are what they
    are in a `Session`. A thread that waits when the session ends is told so by SessionEndedError.
    """

    __slots__ = ("running",)

    def __init__(
        self,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        handler: AnyHandler,
        *,
        claim: Claim,
    ) -> None:
        super().__init__(connection, identity, hello, handler, claim=claim)
        if connection.node.thread_fence is None:
            raise HandlerError("a threaded handler needs threads, and this gateway was given none")
        self.running: Future[object] | None = None

    @property
    def _fence(self) -> Fence:
        fence = self.connection.node.thread_fence
        assert fence is not None, "checked when the session was made"
        return fence

    def send(self, message: ServerMessage) -> None:
        """Send one message of the device protocol."""
        self._on_loop(super().send, message)

    def send_text(self, text: str) -> None:
        """Send one text message as it is, with an id for a client that acknowledges."""
        self._on_loop(super().send_text, text)

    def send_audio(self, frame: bytes, timestamp_ms: int = 0) -> None:
        """Send one Opus frame, as `Session.send_audio` does."""
        self._on_loop(super().send_audio, frame, timestamp_ms)

    def stop_speaking(self) -> None:
        """Cut everything that is being said or waits to be."""
        self._on_loop(super().stop_speaking)

    def close(self, reason: CloseReason = CloseReason.HANDLER_CLOSED) -> None:
        """End the session; idempotent, the first reason wins."""
        self._on_loop(super().close, reason)

    def after(self, delay_s: float, method: Callable[..., object], *arguments: object) -> Timer:
        """Call `method(session, *arguments)` in `delay_s`, in a thread, in order."""
        return self._on_loop(super().after, delay_s, method, *arguments)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine on the loop, beside the handler's calls: it must not block."""
        self._on_loop(super().spawn, work)

    def speak(self, parts: Parts, text: str | None = None) -> Speech:
        """Say `parts`; in a thread, return when they were heard or cut.

        What is not a sequence is iterated in the thread that speaks, and may block there.
        """
        if self._is_on_loop():
            return super().speak(parts, text)
        if isinstance(parts, AsyncIterable | Sequence):
            return self.wait(self._on_loop(super().speak, parts, text))
        ready: asyncio.Queue[Part | None] = asyncio.Queue(maxsize=1)
        speech = self._on_loop(super().speak, _taken(ready), text)
        speech.is_awaited = True
        try:
            for part in parts:
                if not self.wait(_given(ready, part, speech)):
                    break
            else:
                self.wait(_given(ready, None, speech))
        except BaseException:
            self._on_loop(speech.cancel)
            raise
        return self.wait(speech)

    def save(self, state: bytes) -> None:  # type: ignore[override]
        """Keep `state`, and block until it is acknowledged; raises as `Session.save`."""
        kept = super().save(state)
        return kept if self._is_on_loop() else self.wait(kept)  # type: ignore[return-value]

    def call_tool(  # type: ignore[override]
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> ToolResult:
        """Call a tool of the device and block for its answer; raises as `Session.call_tool`."""
        answer = super().call_tool(name, arguments, timeout_s=timeout_s)
        return answer if self._is_on_loop() else self.wait(answer)  # type: ignore[return-value]

    def tools(self, *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[Tool, ...]:  # type: ignore[override]
        """Return what the device can do; blocks, raises as `call_tool`."""
        tools = super().tools(timeout_s=timeout_s)
        return tools if self._is_on_loop() else self.wait(tools)  # type: ignore[return-value]

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Have the loop await something, and block this thread for what comes of it.

        Raises what the awaitable raises, and SessionEndedError when the session ends first.
        """
        if self._is_on_loop():
            raise HandlerError("wait blocks, and this is the event loop: write await instead")
        answer: Future[T] = Future()
        self._on_loop(self._begin_waiting, awaitable, answer)
        try:
            return answer.result()
        except CancelledError:
            raise SessionEndedError("the session has ended") from None

    def _begin_waiting(self, awaitable: Awaitable[T], answer: Future[T]) -> None:
        tasks = self.beside().tasks
        task = self._node.loop.create_task(_awaited(awaitable, answer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # Cancelled before its first turn it would leave both as they are.
        task.add_done_callback(lambda _: answer.cancel())
        if inspect.iscoroutine(awaitable):
            task.add_done_callback(lambda _: awaitable.close())
        if self.connection.lifecycle.state in GONE:
            task.cancel()

    def _is_on_loop(self) -> bool:
        return threading.get_ident() == self._node.loop_thread

    def _on_loop(self, function: Callable[..., T], *arguments: object) -> T:
        """Have the loop's thread call `function`, and block for what it returns or raises."""
        if self._is_on_loop():
            return function(*arguments)
        answer: Future[T] = Future()
        try:
            self._node.loop.call_soon_threadsafe(_answer, answer, partial(function, *arguments))
            return answer.result(LOOP_ANSWERS_S)
        except (RuntimeError, TimeoutError) as error:
            if answer.done() and not self._node.loop.is_closed():
                raise
            raise SessionEndedError("the gateway has stopped") from error


def _answer(answer: Future[T], function: Callable[[], T]) -> None:
    try:
        answer.set_result(function())
    except Exception as error:  # noqa: BLE001 (it belongs to the thread that asked)
        answer.set_exception(error)


async def _awaited(awaitable: Awaitable[T], answer: Future[T]) -> None:
    try:
        answer.set_result(await awaitable)
    except Exception as error:  # noqa: BLE001 (as above)
        answer.set_exception(error)


async def _taken(ready: asyncio.Queue[Part | None]) -> AsyncIterator[Part]:
    """What a thread gives, as the loop asks for it."""
    while (part := await ready.get()) is not None:
        yield part


async def _given(ready: asyncio.Queue[Part | None], part: Part | None, speech: Speech) -> bool:
    """Hand one part over when there is room; False when nobody takes it any more."""
    putting = asyncio.ensure_future(ready.put(part))
    try:
        await asyncio.wait({putting, speech.ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        putting.cancel()  # nothing, where there was room
    return not speech.done
