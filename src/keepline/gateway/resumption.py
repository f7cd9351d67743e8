"""A session that goes on where the device's former one stood: asking for a state, handing it over.

Two functions, whatever lies between them: `ask_for_snapshot` is the one place that asks a handler,
`begin` the one that starts a session, with a state or without.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeAlias

from keepline.errors import HandlerError, HubError
from keepline.gateway.calls import GONE
from keepline.gateway.handler import Handler
from keepline.gateway.memory import Record, leaves_a_record
from keepline.hub.port import Outcome
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.calls import Calls
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session
    from keepline.hub.port import Claim

Promised: TypeAlias = asyncio.Future[bytes | None] | bytes | None

# What a handler that ended so would say of itself is not to be trusted, or would never come.
FAILED: Final = frozenset(
    {
        CloseReason.HANDLER_FAILED,
        CloseReason.HANDLER_TIMEOUT,
        CloseReason.HANDLER_OVER_BUDGET,
        CloseReason.OUT_OF_MEMORY,
    }
)


def ask_for_snapshot(session: Calls, question: _Question | None = None) -> Promised:
    """Have the handler's `snapshot` called in its turn; return what it returns, or a promise of it.

    None at once from a handler that has no `snapshot`, that failed, or whose last calls are being
    made. The promise is cancelled when it cannot be kept, and by who does not want to wait longer.
    """
    if session.connection.lifecycle.state in GONE:
        return None
    return _ask(session, question)


def part(session: Session, reason: CloseReason) -> Parting | None:
    """Have a session that ends say what the next one needs; None when an heir has asked already.

    A handler that failed is asked nothing: what it saved before it failed is worth more.
    """
    if not leaves_a_record(reason):
        return None
    failed = reason in FAILED
    return Parting(None if failed else _ask(session), session.undelivered(), is_failed=failed)


class Parting(NamedTuple):
    """What a session leaves: the promise of its handler's snapshot, and what was not delivered."""

    snapshot: Promised
    undelivered: tuple[str, ...]
    is_failed: bool = False  # so what was saved stays

    @classmethod
    def of(cls, record: Record | None) -> Self:
        """Return what a record that was kept leaves."""
        return cls(None, ()) if record is None else cls(record.snapshot, record.undelivered)

    def record(self) -> Record | None:
        """Return what is to be kept; None when the promise was broken: what was saved stays."""
        if self.is_failed:
            return None
        if self.snapshot is None or isinstance(self.snapshot, bytes):
            return Record(self.snapshot, self.undelivered)
        if not self.snapshot.done() or self.snapshot.cancelled():
            return None
        return Record(self.snapshot.result(), self.undelivered)


async def save_snapshot(session: Session) -> None:
    """Save a snapshot of a session that goes on; what cannot be kept now is told in the log.

    Of an inbox that stays full once.
    """
    node, beside = session.connection.node, session.beside()
    if session.inbox is not None and session.inbox.is_full:
        if not beside.is_told_full:
            beside.is_told_full = True
            error = "its inbox is full"
            node.log.warning("state_not_saved", device_id=session.device_id, error=error)
        await asyncio.sleep(0)  # who asks without end, and never waits, would stop the loop
        return
    beside.is_told_full = False
    question = _Question(node)
    node.memory.expect(session, question.answer)
    try:
        promise = ask_for_snapshot(session, question)
        state = promise if promise is None or isinstance(promise, bytes) else await kept(promise)
    finally:
        is_overtaken = node.memory.overtaken(session, question.answer)
    if state is None or is_overtaken:
        return
    try:
        await node.memory.keep(session, state)
    except HubError as error:
        node.log.warning("state_not_saved", device_id=session.device_id, error=error)


def hand_over(older: Session, record: Record | None) -> Parting:
    """Have a session that is being replaced leave everything to its heir.

    Of one whose handler has failed that is what it saved before: the `record` that the hub has. So
    it is of one that was to leave nothing, and whose device is let in all the same.
    """
    reason = older.connection.lifecycle.reason
    if reason is not None and not leaves_a_record(reason):
        return Parting(Parting.of(record).snapshot, ())
    left = older.parting or Parting(ask_for_snapshot(older), older.undelivered())
    if reason in FAILED:
        return left._replace(snapshot=Parting.of(record).snapshot)
    return left


def found_by(claim: Claim, record: Record | None, older: Session | None) -> Outcome:
    """Return what a device finds of itself: more than its claim knows, where it was here.

    Of a takeover it is told before the older handler was asked: that it keeps states counts.
    """
    if record is not None or (older is not None and _has_something(older)):
        return Outcome.RESUMED
    return Outcome.EXPIRED if claim.outcome is Outcome.EXPIRED else Outcome.NEW


def _has_something(older: Session) -> bool:
    reason = older.connection.lifecycle.reason
    if reason is not None and not leaves_a_record(reason):
        return False
    if older.parting is not None:
        return older.parting.snapshot is not None or bool(older.parting.undelivered)
    return _may_be_asked(older) or bool(older.undelivered())


def _ask(session: Calls, question: _Question | None = None) -> Promised:
    if not _may_be_asked(session):
        return None
    question = question or _Question(session.connection.node)
    session.ask(question.snapshot)
    answer = question.answer
    return answer.result() if answer.done() and not answer.cancelled() else answer


async def kept(promise: asyncio.Future[bytes | None]) -> bytes | None:
    """Return what was promised, None for a broken promise."""
    await asyncio.wait({promise})
    return None if promise.cancelled() else promise.result()


def _may_be_asked(session: Calls) -> bool:
    return (
        type(session.handler).snapshot is not Handler.snapshot
        and session.connection.lifecycle.reason not in FAILED
    )


def begin(session: Calls, state: Promised, saved: bytes | None = None) -> None:
    """Make a session's first calls: `restore` and `resumed`, or without a state `opened`.

    What comes from the device meanwhile waits its turn; the wait for a promised state is bounded
    by `session.snapshot_timeout_s`. When the promise is not kept, what was `saved` is the state.
    """
    if isinstance(state, asyncio.Future) and state.cancelled():
        state = saved
    if state is None:
        session.deliver(session.handler.opened)
    elif isinstance(state, bytes):
        session.deliver(restore, state)
        if session.connection.lifecycle.reason not in FAILED:
            session.deliver(session.handler.resumed)
    else:
        session.go_on(begin, _begin_with(session, state, saved))


def restore(session: Calls, state: bytes) -> Awaitable[None] | None:
    """Call the handler's `restore`, which like `snapshot` is not told its session."""
    return session.handler.restore(state)


async def _begin_with(
    session: Calls, promise: asyncio.Future[bytes | None], saved: bytes | None
) -> None:
    node = session.connection.node
    bound_s = node.settings.session.snapshot_timeout_s
    done, _ = await asyncio.wait({promise}, timeout=bound_s)
    if not done:
        promise.cancel()
        node.log.warning("snapshot_too_late", device_id=session.device_id, after_s=bound_s)
    state = saved if promise.cancelled() else promise.result()
    if state is None:
        await session.call(session.handler.opened)
        return
    await session.call(restore, state)
    if session.connection.lifecycle.reason not in FAILED:
        await session.call(session.handler.resumed)


class _Question:
    """One question for a snapshot, and its answer."""

    __slots__ = ("_node", "answer")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.answer: asyncio.Future[bytes | None] = node.loop.create_future()

    def snapshot(self, session: Calls) -> Awaitable[None] | None:
        """Ask, as a handler call; perhaps in a thread."""
        if self.answer.done():
            return None  # nobody waits for it any more
        try:
            state = session.handler.snapshot()
            if state is None or isinstance(state, bytes) or not isinstance(state, Awaitable):
                self._give(self._checked(session, state))
                return None
        except BaseException:
            self._break()
            raise
        return self._await(session, state)

    async def _await(self, session: Calls, state: Awaitable[bytes | None]) -> None:
        try:
            self._give(self._checked(session, await state))
        finally:
            self._break()

    def _checked(self, session: Calls, state: object) -> bytes | None:
        if state is None:
            return None
        if not isinstance(state, bytes):
            raise HandlerError(
                f"snapshot returned {type(state).__name__}; it returns bytes, or None for nothing"
            )
        limit_bytes = self._node.settings.session.snapshot_bytes
        if len(state) <= limit_bytes:
            return state
        self._node.log.warning(
            "snapshot_too_large",
            device_id=session.device_id,
            size_bytes=len(state),
            limit_bytes=limit_bytes,
        )
        return None

    def _give(self, state: bytes | None) -> None:
        if threading.get_ident() != self._node.loop_thread:
            self._node.loop.call_soon_threadsafe(self._give, state)
        elif not self.answer.done():
            self.answer.set_result(state)

    def _break(self) -> None:
        """The handler has failed to answer, unless it has answered."""
        if threading.get_ident() != self._node.loop_thread:
            self._node.loop.call_soon_threadsafe(self._break)
        else:
            self.answer.cancel()
