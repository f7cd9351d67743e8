"""The order in which one session's handler is called: one call at a time."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.gateway.backlog import Backlog, Put
from keepline.gateway.beside import Beside
from keepline.gateway.isolation.growth import NOTHING, Load
from keepline.gateway.packed import (
    claim_of,
    client_id_of,
    outcome_of,
    session_id_of,
    with_claim_and_outcome,
)
from keepline.gateway.receiver import Receiver
from keepline.gateway.seldom import put
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.messages import parse_device_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from keepline.gateway.connection import Connection
    from keepline.gateway.fence import Fence
    from keepline.gateway.handler import AnyHandler
    from keepline.gateway.node import Node
    from keepline.gateway.packed import Packed
    from keepline.hub.port import Outcome
    from keepline.settings.session import Inbox as InboxLimits


# The connection is lost, and the handler's calls come to their end.
GONE: Final = frozenset({State.CLEANUP, State.CLOSED})


class Call(NamedTuple):
    """A handler call that waits its turn: a bound method and its arguments after the session.

    A message waits as its text in UTF-8, and is parsed again: parsed, it can take 15 times that.
    """

    method: Callable[..., object]
    arguments: tuple[object, ...]
    utf8: bytes | None = None
    interrupts: bool = False  # a device's message after which nothing older is worth saying

    def ready(self) -> tuple[object, ...]:
        """Return the arguments for the call to be made now."""
        if self.utf8 is None:
            return self.arguments
        return (parse_device_message(self.utf8.decode()),)


class Inbox(Backlog[Call]):
    """The calls that wait for the one under way; the first had to wait from `since` on."""

    __slots__ = ("interruptions", "since")

    def __init__(self, limits: InboxLimits, audio_frames: int, now: float) -> None:
        self.interruptions = 0
        self.since = now
        super().__init__(
            audio_limit=audio_frames,
            control_limit=limits.control_messages,
            bytes_limit=limits.bytes,
        )


class Calls(Receiver):
    """Calls a handler in order.

    While no call is under way the next one runs at once; when one has to wait for something, a
    worker task and an inbox come into being and are gone when the inbox is empty.
    """

    __slots__ = (
        "_ids",
        "_worker",
        "connection",
        "device_id",
        "handler",
    )

    def __init__(
        self,
        connection: Connection,
        handler: AnyHandler,
        *,
        device_id: str,
        ids: Packed,
    ) -> None:
        self._worker: asyncio.Task[None] | None = None
        self.connection = connection
        self.handler = handler
        self.device_id = device_id
        self._ids = ids

    # What can be looked up has no place of its own: 32 bytes for each session.

    @property
    def _node(self) -> Node:
        return self.connection.node

    @property
    def _fence(self) -> Fence:
        return self.connection.node.fence

    @property
    def session_id(self) -> str:  # type: ignore[override]
        """The name of this session in logs and for operators."""
        return session_id_of(self._ids)

    @property
    def claim(self) -> int:
        """The number under which it has its device."""
        return claim_of(self._ids)

    @claim.setter
    def claim(self, number: int) -> None:
        self._ids = with_claim_and_outcome(self._ids, number, self.outcome)

    @property
    def outcome(self) -> Outcome:
        """What the device found of itself when it came."""
        return outcome_of(self._ids)

    @outcome.setter
    def outcome(self, outcome: Outcome) -> None:
        self._ids = with_claim_and_outcome(self._ids, self.claim, outcome)

    @property
    def client_id(self) -> str:
        """What the device says of itself beside its id; "" for nothing."""
        return client_id_of(self._ids)

    @property
    def inbox(self) -> Inbox | None:
        """The calls that wait; there is none while no call is under way."""
        return self._inbox

    @property
    def _inbox(self) -> Inbox | None:
        return self.connection.node.seldom.inboxes.get(self)

    @_inbox.setter
    def _inbox(self, inbox: Inbox | None) -> None:
        put(self.connection.node.seldom.inboxes, self, inbox)

    @property
    def _beside(self) -> Beside | None:
        return self.connection.node.seldom.besides.get(self)

    @_beside.setter
    def _beside(self, beside: Beside | None) -> None:
        put(self.connection.node.seldom.besides, self, beside)

    @property
    def worker(self) -> asyncio.Task[None] | None:
        """The task of the call under way, None while nothing is awaited."""
        return self._worker

    def close(self, reason: CloseReason = CloseReason.HANDLER_CLOSED) -> None:
        """End the session; idempotent, the first reason wins."""
        self.connection.close(reason)

    def deliver(self, method: Callable[..., object], *arguments: object) -> None:
        """Call `method(session, *arguments)` when its turn comes."""
        if self._worker is not None:
            self._keep(Call(method, arguments), 0, audio=False)
            return
        rest = self._fence.call(self, method, *arguments)
        if rest is not None:
            self.go_on(method, rest)

    def ask(self, method: Callable[..., object]) -> None:
        """As `deliver`, for a question at the session's end: a full inbox is the device's doing.

        Who asks a session that goes on sees to it that its inbox is not full.
        """
        if self._worker is None:
            self.deliver(method)
        else:
            inbox = self._inbox
            if inbox is None:
                inbox = self._new_inbox()
            inbox.put_past_limits(Call(method, ()))

    def go_on(self, method: Callable[..., object], rest: Awaitable[object]) -> None:
        """Await the rest of a call of `method`; what comes meanwhile waits."""
        self._worker = self._node.loop.create_task(self._work(method, rest))

    async def call(self, method: Callable[..., object], *arguments: object) -> None:
        """Call `method(session, *arguments)` within the call that is under way."""
        rest = self._fence.call(self, method, *arguments)
        if rest is not None:
            await self._fence.wait(self, method, rest)

    def _keep(self, call: Call, size_bytes: int, *, audio: bool) -> None:
        """Have `call` wait for those before it; at a limit audio goes, or the session ends."""
        inbox = self._inbox
        if inbox is None:
            inbox = self._new_inbox()
        done = inbox.put(call, size_bytes, audio=audio)
        inbox.interruptions += call.interrupts
        if done is Put.DROPPED_AUDIO:
            node = self._node
            node.counters.inbox_audio_dropped += 1
            node.knobs.inboxes.lost_by(self.device_id, node.ticker.now - inbox.since)
        elif done is Put.OVERFLOW:
            self.close(CloseReason.INBOX_OVERFLOW)

    def _new_inbox(self) -> Inbox:
        node = self._node
        room = node.knobs.inboxes.frames
        inbox = self._inbox = Inbox(node.settings.inbox, room, node.ticker.now)
        node.governor.backlogs.add(inbox)
        return inbox

    async def _work(self, method: Callable[..., object], rest: Awaitable[object] | None) -> None:
        fence = self._fence
        node = self._node
        deadlines = node.isolation.deadlines
        try:
            while True:
                if rest is not None:
                    deadlines.begin(self, method, node.ticker.now)
                    await fence.wait(self, method, rest)
                inbox = self._inbox
                call = None if inbox is None else inbox.take()
                if call is None or inbox is None:
                    return
                inbox.interruptions -= call.interrupts
                method = call.method
                rest = fence.call(self, method, *call.ready())
        finally:
            deadlines.end(self, node.ticker.now)
            self._worker = None
            self._inbox = None
            self.rest()

    def cancel_call(self) -> None:
        """Cancel the call under way, and with it those that wait: its session is ending."""
        if self._worker is not None:
            self._worker.cancel()

    def rest(self) -> None:
        """Something has ended: give back what it needed, if the device is idle already.

        The end of a call does the same; until then it may matter how long it is heard.
        """
        if self._worker is None and self.connection.lifecycle.state is State.IDLE:
            self.release_buffers()

    def where(self) -> str:
        """Return as FILE:LINE what the call under way waits for, empty when there is none."""
        return self._fence.where(self)

    def heard_for_s(self) -> float:
        """Return how long what was said can still be heard, less than 0 for how long it was."""
        return -inf

    def load(self) -> Load:
        """Return what it has under way, `NOTHING` for nothing."""
        inbox, outbox, beside = self._inbox, self.connection.outbox, self._beside
        if inbox is None and outbox is None and beside is None:
            return NOTHING
        tasks, timers = (0, 0) if beside is None else (len(beside.tasks), len(beside.timers))
        queued_bytes = sum(each.size_bytes for each in (inbox, outbox) if each is not None)
        return Load(tasks, timers, queued_bytes)

    def drop_audio(self) -> int:
        """Give up the audio that waits in either direction; return how many frames."""
        inbox, outbox, counters = self._inbox, self.connection.outbox, self._node.counters
        heard = 0 if inbox is None else inbox.drop_audio()
        said = 0 if outbox is None else outbox.drop_audio()
        counters.inbox_audio_dropped += heard
        counters.outbox_audio_dropped += said
        return heard + said

    # -- beside the calls ------------------------------------------------------------------

    def beside(self) -> Beside:
        """Return what runs beside the calls; all of it ends with the session."""
        beside = self._beside
        if beside is None:
            beside = Beside()
            if self.connection.lifecycle.state is not State.CLOSED:  # else it is forgotten already
                self._beside = beside
        return beside

    def hold(
        self, work: Coroutine[object, object, None], called: Callable[..., object]
    ) -> asyncio.Task[None]:
        """Run `work` in a task that ends with the session; `called` is who failed if it fails."""
        tasks = self.beside().tasks
        task = self._node.loop.create_task(self._fence.wait(self, called, work, may_return=True))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

        def over(_: asyncio.Task[None]) -> None:
            work.close()  # cancelled before its first turn it would be left unawaited
            self.rest()

        task.add_done_callback(over)
        return task

    # -- the end, called by cleanup --------------------------------------------------------

    def end(self, reason: CloseReason) -> Awaitable[None] | None:
        """Let the calls that wait come to an end, then make the last one: `closed`.

        What runs beside them is cancelled first. Takes at most `session.closed_timeout_s` for each
        of the two; what is not done by then is cancelled.
        """
        if (beside := self._beside) is not None:
            beside.cancel()
            beside.toolbox = None  # which holds the session
            self._node.isolation.strays.expect(beside.tasks, self, self.beside)
        if self._worker is not None:
            return self._end_in_turn(self._worker, reason)
        rest = self._fence.call(self, self.handler.closed, reason)
        return None if rest is None else self._end_last(rest)

    async def _end_in_turn(self, worker: asyncio.Task[None], reason: CloseReason) -> None:
        await self._wait(worker)
        rest = self._fence.call(self, self.handler.closed, reason)
        if rest is not None:
            await self._end_last(rest)

    async def _end_last(self, rest: Awaitable[object]) -> None:
        await self._wait(
            self._node.loop.create_task(self._fence.wait(self, self.handler.closed, rest))
        )

    async def _wait(self, task: asyncio.Task[None]) -> None:
        bound_s = self._node.drain.end_bound_s(self._node.settings.session.closed_timeout_s)
        _, late = await asyncio.wait({task}, timeout=bound_s)
        if late:
            self._node.log.warning(
                "handler_too_slow_to_end", device_id=self.device_id, after_s=bound_s
            )
            task.cancel()
            _, late = await asyncio.wait({task}, timeout=bound_s)
            self._node.isolation.strays.expect(late, self, self.end)
