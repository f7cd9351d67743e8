"""Bugs to plant: each changes the real code in one place, as a slip of the hand would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keepline.gateway import cleanup, departures, resumption
from keepline.gateway.addresses import Addresses
from keepline.gateway.arrivals import Arrivals
from keepline.gateway.beside import Beside
from keepline.gateway.calls import Calls
from keepline.gateway.connection import Connection
from keepline.gateway.delivery import Delivery
from keepline.gateway.memory import Memory
from keepline.gateway.registry import Registry, folded
from keepline.gateway.resumption import Parting
from keepline.gateway.session import Session
from keepline.gateway.timers import Timer
from keepline.hub.local import LocalHub
from keepline.hub.operations import SaveState, Transaction
from keepline.lifecycle import heartbeat
from keepline.lifecycle.heartbeat import Heartbeat
from keepline.lifecycle.states import TABLE, Effect, Event, State

if TYPE_CHECKING:
    import asyncio

    import pytest

    from keepline.gateway.node import Node


def a_lost_wake_up(patch: pytest.MonkeyPatch) -> None:
    """The worker ends with its first call, whatever has come meanwhile."""

    async def work(self: Calls, method: Any, rest: Any) -> None:
        try:
            await self._fence.wait(self, method, rest)
        finally:
            self._worker = None
            self._inbox = None

    patch.setattr(Calls, "_work", work)


def a_cleanup_that_is_done_twice(patch: pytest.MonkeyPatch) -> None:
    """A connection's ending is accounted for in two steps."""
    steps = (*cleanup.STEPS[:-1], cleanup.account, cleanup.STEPS[-1])
    patch.setattr(cleanup, "STEPS", steps)


def a_cleanup_that_never_comes(patch: pytest.MonkeyPatch) -> None:
    """Who has to wait for its turn is forgotten."""

    real = departures.Departures.__init__

    def init(self: departures.Departures, node: Node) -> None:
        real(self, node)
        self.batch.size = self._left = 1

    def next_turn(self: departures.Departures) -> None:
        self._left = self.batch.size
        self._waiting.clear()

    patch.setattr(departures.Departures, "__init__", init)
    patch.setattr(departures.Departures, "_next_turn", next_turn)


def a_number_that_is_given_twice(patch: pytest.MonkeyPatch) -> None:
    """Of a block that is given away one number is written down."""
    real = Transaction.take_numbers

    def take_numbers(self: Transaction, count: int) -> int:
        return real(self, min(count, 1))

    patch.setattr(Transaction, "take_numbers", take_numbers)


def a_fence_that_is_not_there(patch: pytest.MonkeyPatch) -> None:
    """A state is kept whoever saves it."""

    def run(self: SaveState, transaction: Transaction) -> None:
        transaction.execute(
            "insert into state select device_id, claim, ?2, null, ?3 from own where device_id = ?1"
            " on conflict do update set saved_at = ?2, until = null, data = ?3",
            (self.device_id, self.at, self.data),
        )

    patch.setattr(SaveState, "run", run)


def a_deadline_that_is_not_cancelled(patch: pytest.MonkeyPatch) -> None:
    """A connection that is cleaned up stays in the wheel."""
    patch.setattr(cleanup, "STEPS", cleanup.STEPS[1:])


def a_timer_that_outlives_its_session(patch: pytest.MonkeyPatch) -> None:
    """A handler's call to come is not cancelled when its session ends."""
    patch.setattr(Timer, "cancel", lambda self: self._held.discard(self))


def a_probe_too_many(patch: pytest.MonkeyPatch) -> None:
    """The dead are asked once more than they should be."""
    patch.setattr(heartbeat, "IDLE_WAITS", (*heartbeat.IDLE_WAITS, 2.0))


def a_probe_too_few(patch: pytest.MonkeyPatch) -> None:
    """A device is given up one probe too early."""
    patch.setattr(heartbeat, "IDLE_WAITS", heartbeat.IDLE_WAITS[:-1])


def a_message_that_is_dropped(patch: pytest.MonkeyPatch) -> None:
    """Of what a device was not told, the oldest is not kept for its next session."""
    real = Session.undelivered
    patch.setattr(Session, "undelivered", lambda self: real(self)[1:])


def an_outbox_that_is_dropped_at_a_late_read(patch: pytest.MonkeyPatch) -> None:
    """What waits is thrown away when the device reads after the end has begun. It was so once."""
    real = Connection.resume_writing

    def resume_writing(self: Connection) -> None:
        real(self)
        if self.lifecycle.reason is not None:
            self.outbox = None

    patch.setattr(Connection, "resume_writing", resume_writing)


def a_task_that_is_leaked(patch: pytest.MonkeyPatch) -> None:
    """What a handler has begun beside its calls goes on when its session has ended."""
    patch.setattr(Beside, "cancel", Beside.close)


def a_stale_round_trip(patch: pytest.MonkeyPatch) -> None:
    """Any pong answers the latest ping, also a late one to an earlier ping."""
    real = Heartbeat.receive_pong

    def receive_pong(self: Heartbeat, payload: bytes, now_precise: float) -> float | None:
        return real(self, (self.pings & 0xFFFFFFFF).to_bytes(4), now_precise)

    patch.setattr(Heartbeat, "receive_pong", receive_pong)


def an_idle_session_that_is_not_woken(patch: pytest.MonkeyPatch) -> None:
    """The device speaks again, and its handler is not told so."""
    row = TABLE[State.IDLE][Event.ACTIVITY]
    effects = tuple(effect for effect in row.effects if effect is not Effect.TELL_WOKEN)
    patch.setitem(TABLE[State.IDLE], Event.ACTIVITY, row._replace(effects=effects))


def a_session_that_never_turns_idle(patch: pytest.MonkeyPatch) -> None:
    """Its deadline is forgotten when it is woken."""
    real = Connection._is_heard

    def is_heard(self: Connection) -> bool:
        before = self.last_activity
        heard = real(self)
        if self.node.random.random() < 0.01:
            self.last_activity = before + 1e9
        return heard

    patch.setattr(Connection, "_is_heard", is_heard)


def an_address_that_is_never_left(patch: pytest.MonkeyPatch) -> None:
    """A place by address is taken and not given back."""
    patch.setattr(Addresses, "leave", lambda self, address: None)


def a_counter_that_is_not_counted_down(patch: pytest.MonkeyPatch) -> None:
    """A place that was kept for a device on its way in stays kept."""
    real = Arrivals.place

    def place(self: Arrivals, device_id: str) -> Any:
        key = folded(device_id)
        self.arriving[key] = self.arriving.get(key, 0) + 1
        return real(self, device_id)

    patch.setattr(Arrivals, "place", place)


def an_older_session_that_releases_the_newer_one(patch: pytest.MonkeyPatch) -> None:
    """Whoever releases a device releases its holder."""

    def release(self: Registry, session: Session) -> bool:
        self._replaced.discard(session)
        return self._by_device.pop(folded(session.device_id), None) is not None

    patch.setattr(Registry, "release", release)


def an_acknowledgement_that_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What has come is kept, and said again."""
    patch.setattr(Delivery, "acknowledge", lambda self, message_id: None)


def a_window_by_the_wall_clock(patch: pytest.MonkeyPatch) -> None:
    """A window that begins right after the clock was set is moved with those before. So it was."""
    patch.setattr(LocalHub, "_wall", lambda self: self._clock.wall())


def an_acknowledged_state_that_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A busy handler costs its heir what was saved. It was so once."""
    real = resumption._begin_with

    def begin_with(session: Any, promise: Any, saved: Any) -> Any:
        return real(session, promise, None)

    patch.setattr(resumption, "_begin_with", begin_with)


def messages_said_again_after_a_failure(patch: pytest.MonkeyPatch) -> None:
    """A handler that fails leaves the messages that were saved, come or not. It was so once."""

    def leave_messages(self: Memory, session: Session, undelivered: tuple[str, ...]) -> None:
        if undelivered:
            real(self, session, undelivered)
        else:
            self.leave(session, None)

    real = Memory.leave_messages
    patch.setattr(Memory, "leave_messages", leave_messages)


def a_revocation_that_takes_what_was_saved(patch: pytest.MonkeyPatch) -> None:
    """A device that is let in again at once finds nothing. It was so once."""

    def hand_over(older: Session, record: Any) -> Parting:
        left = older.parting or Parting(resumption.ask_for_snapshot(older), older.undelivered())
        if older.connection.lifecycle.reason in resumption.FAILED:
            return left._replace(snapshot=Parting.of(record).snapshot)
        return left

    patch.setattr("keepline.gateway.node.hand_over", hand_over)


def a_snapshot_that_undoes_a_save(patch: pytest.MonkeyPatch) -> None:
    """What an idle session gave is written over what it saved after that. It was so once."""
    real = Memory.overtaken

    def overtaken(self: Memory, session: Session, answer: asyncio.Future[bytes | None]) -> bool:
        real(self, session, answer)
        return False

    patch.setattr(Memory, "overtaken", overtaken)
