"""A device's session: what the handler talks to, and the order in which the handler is called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from keepline.errors import HandlerError
from keepline.gateway.backlog import Backlog, Put
from keepline.gateway.receiver import Receiver
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire import frames
from keepline.wire.messages import (
    Listen,
    Malformed,
    Tts,
    encode_server_message,
    parse_device_message,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from keepline.gateway.connection import Connection
    from keepline.gateway.handler import Handler
    from keepline.gateway.identity import Identity
    from keepline.gateway.node import Node
    from keepline.wire.messages import Hello, ServerMessage

# The connection is lost and the handler's calls come to their end.
GONE = frozenset({State.CLEANUP, State.CLOSED})


class Call(NamedTuple):
    """A handler call that waits its turn: a bound method and its argument after the session.

    A message waits as its text in UTF-8, and is parsed again: parsed, it can take 15 times that.
    """

    method: Callable[..., object]
    arguments: tuple[object, ...]
    utf8: bytes | None = None

    def ready(self) -> tuple[object, ...]:
        """Return the arguments for the call to be made now."""
        if self.utf8 is None:
            return self.arguments
        return (parse_device_message(self.utf8.decode()),)


class Session(Receiver):
    """One device's turn on one connection.

    The handler's calls come one at a time and in order. While no call is under way the next one
    runs at once; when one has to wait for something, a worker task and an inbox come into being
    and are gone when the inbox is empty.
    """

    __slots__ = (
        "_full_duplex",
        "_inbox",
        "_node",
        "_tasks",
        "_worker",
        "claim",
        "client_id",
        "connection",
        "device_id",
        "handler",
        "hello",
        "opened_at",
        "session_id",
    )

    def __init__(
        self,
        node: Node,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        *,
        session_id: str,
    ) -> None:
        self._node = node
        self._inbox: Backlog[Call] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] | None = None
        self._full_duplex = False
        self.connection = connection
        self.device_id, self.client_id = identity[:2]
        self.session_id = session_id
        self.hello = hello
        self.claim = 0
        self.opened_at = node.ticker.now
        try:
            self.handler: Handler = node.make_handler()
        except Exception as error:
            # A ConnectionError or TimeoutError of its own must not pass for the device's.
            raise HandlerError("the handler could not be made") from error

    # -- for the handler -------------------------------------------------------------------

    def send(self, message: ServerMessage) -> None:
        """Send one message of the device protocol."""
        if type(message) is Tts and message.state == "start" and not self._full_duplex:
            # A speaking device records nothing (except in realtime): its silence proves nothing.
            self.connection.expect_audio(flowing=False)
        self.send_text(encode_server_message(message))

    def send_text(self, text: str) -> None:
        """Send one text message as it is."""
        self._node.counters.messages_out += 1
        self.connection.send(frames.text_frame(text))

    def send_audio(self, frame: bytes) -> None:
        """Send one Opus frame; it is the first to go when the device does not keep up."""
        self._node.counters.audio_out += 1
        self.connection.send(frames.binary_frame(frame), audio=True)

    def close(self, reason: CloseReason = CloseReason.HANDLER_CLOSED) -> None:
        """End the session; idempotent, the first reason wins."""
        self.connection.close(reason)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run `work` beside the handler's calls; it is cancelled when the session ends.

        Once the session has lost its connection, `work` is not begun at all.
        """
        if self.connection.lifecycle.state in GONE:
            work.close()
            return
        if self._tasks is None:
            self._tasks = set()
        task = self._node.loop.create_task(self._node.fence.wait(self, self.spawn, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Cancelled before its first turn it would be left unawaited.
        task.add_done_callback(lambda _: work.close())

    # -- from the connection ---------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """Hand a message to the handler; what cannot be read is counted and left alone."""
        counters = self._node.counters
        counters.messages_in += 1
        message = parse_device_message(text)
        if type(message) is Listen and message.state != "detect":
            # While listening it sends a frame every 60 ms.
            self._full_duplex = message.mode == "realtime"
            self.connection.expect_audio(flowing=message.state == "start")
        elif type(message) is Malformed:
            counters.malformed_messages += 1
            self._node.log.debug(
                "malformed_message", device_id=self.device_id, detail=message.detail
            )
            return
        if self._worker is None:
            self._deliver(self.handler.text, message)
        else:
            utf8 = text.encode()
            self._keep(Call(self.handler.text, (), utf8), len(utf8), audio=False)

    def receive_binary(self, data: bytes) -> None:
        """Hand an audio frame to the handler (version 1: the message is the Opus frame)."""
        self._node.counters.audio_in += 1
        if self._worker is None:
            self._deliver(self.handler.audio, data)
        else:
            self._keep(Call(self.handler.audio, (data,)), len(data), audio=True)

    def tell_opened(self) -> None:
        """Tell the handler that its session is live."""
        self._deliver(self.handler.opened)

    def tell_idle(self) -> None:
        """Tell the handler that nothing has happened for a while."""
        self._deliver(self.handler.idle)

    def release_buffers(self) -> None:
        """Give back what only a busy session needs."""
        if not self._tasks:
            self._tasks = None

    def tell_woken(self) -> None:
        """Tell the handler that the device speaks again."""
        self._deliver(self.handler.woken)

    def tell_draining(self) -> None:
        """Tell the handler that the end is near, unless its session is ending already."""
        if self.connection.lifecycle.reason is None:
            self._deliver(self.handler.draining)

    def _deliver(self, method: Callable[..., object], *arguments: object) -> None:
        if self._worker is not None:
            self._keep(Call(method, arguments), 0, audio=False)
            return
        rest = self._node.fence.call(self, method, *arguments)
        if rest is not None:
            self._worker = self._node.loop.create_task(self._work(method, rest))

    def _keep(self, call: Call, size_bytes: int, *, audio: bool) -> None:
        """Have `call` wait for those before it; at a limit audio goes, or the session ends."""
        if self._inbox is None:
            limits = self._node.settings.inbox
            self._inbox = Backlog(
                audio_limit=limits.audio_frames,
                control_limit=limits.control_messages,
                bytes_limit=limits.bytes,
            )
        put = self._inbox.put(call, size_bytes, audio=audio)
        if put is Put.DROPPED_AUDIO:
            self._node.counters.inbox_audio_dropped += 1
        elif put is Put.OVERFLOW:
            self.close(CloseReason.INBOX_OVERFLOW)

    async def _work(self, method: Callable[..., object], rest: Awaitable[None] | None) -> None:
        fence = self._node.fence
        try:
            while True:
                if rest is not None:
                    await fence.wait(self, method, rest)
                call = self._inbox.take() if self._inbox is not None else None
                if call is None:
                    return
                method = call.method
                rest = fence.call(self, method, *call.ready())
        finally:
            self._worker = None
            self._inbox = None

    # -- the end, called by cleanup --------------------------------------------------------

    def end(self, reason: CloseReason) -> Awaitable[None] | None:
        """Let the calls that wait come to an end, then make the last one: `closed`.

        Takes at most `session.closed_timeout_s` for each of the two; what is not done by then is
        cancelled. What the handler spawned is cancelled first.
        """
        for task in self._tasks or ():
            task.cancel()
        if self._worker is not None:
            return self._end_in_turn(self._worker, reason)
        rest = self._node.fence.call(self, self.handler.closed, reason)
        return None if rest is None else self._end_last(rest)

    async def _end_in_turn(self, worker: asyncio.Task[None], reason: CloseReason) -> None:
        await self._wait(worker)
        rest = self._node.fence.call(self, self.handler.closed, reason)
        if rest is not None:
            await self._end_last(rest)

    async def _end_last(self, rest: Awaitable[None]) -> None:
        await self._wait(
            self._node.loop.create_task(self._node.fence.wait(self, self.handler.closed, rest))
        )

    def release(self) -> None:
        """Give the device back, unless a newer session holds it already."""
        self._node.registry.release(self)

    async def _wait(self, task: asyncio.Task[None]) -> None:
        bound_s = self._node.settings.session.closed_timeout_s
        _, late = await asyncio.wait({task}, timeout=bound_s)
        if late:
            self._node.log.warning(
                "handler_too_slow_to_end", device_id=self.device_id, after_s=bound_s
            )
            task.cancel()
            await asyncio.wait({task}, timeout=bound_s)
