"""One connection's place in the table, since when, and why it ends."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from keepline.errors import IllegalTransitionError
from keepline.lifecycle.history import append, latest_state
from keepline.lifecycle.states import TABLE, Effect, Event, State
from keepline.reasons import CloseReason, Initiator

# Events that can have one reason only bring it themselves.
IMPLIED: Final = {
    Event.SILENT: CloseReason.HEARTBEAT_TIMEOUT,
    Event.PEER_CLOSED: CloseReason.DEVICE_SAID_CLOSE,
}

# The states of a connection that has no reason to end.
LIVING: Final = frozenset({State.CONNECTING, State.AUTHENTICATING, State.ACTIVE, State.IDLE})


def loss(reason: CloseReason) -> Event:
    """Return which event the loss of TCP for this reason is."""
    return Event.HUNG_UP if reason.initiator is Initiator.DEVICE else Event.TRANSPORT_LOST


class Transition(NamedTuple):
    """What one event did. `after_s` is the time spent in `previous` so far."""

    previous: State
    state: State
    event: Event
    reason: CloseReason | None
    after_s: float
    effects: tuple[Effect, ...]


class Lifecycle(Struct, eq=False, gc=False):
    """Five words per connection.

    `since` is when `state` was entered, `reason` why it ends, `history` the last transitions as
    `history.steps` reads them, `detail` what the peer did to be ended, beyond the reason.
    """

    since: float
    state: State = State.CONNECTING
    reason: CloseReason | None = None
    history: bytes = b""
    detail: str = ""

    @property
    def ended_in(self) -> State | None:
        """In which state the end began, None while it has not."""
        if self.reason is None:
            return None
        return latest_state(self.history, LIVING) or State.CONNECTING

    def receive(self, event: Event, now: float, reason: CloseReason | None = None) -> Transition:
        """Take `event` and say what is to be done; the first reason to end stays for good.

        Raises IllegalTransitionError, and changes nothing, when the state does not know the
        event or when the connection would end without any reason.
        """
        previous = self.state
        row = TABLE[previous].get(event)
        if row is None:
            raise IllegalTransitionError(f"{event} does not happen while {previous}")
        state, effects = row
        kept = self.reason
        if kept is None and state not in LIVING:
            kept = reason or IMPLIED.get(event)
            if kept is None:
                raise IllegalTransitionError(f"{event} while {previous} needs a reason")
            self.reason = kept
        after_s = now - self.since
        if state is not previous:
            self.state = state
            self.since = now
            self.history = append(self.history, state, event, after_s)
        return Transition(previous, state, event, kept, after_s, effects)
