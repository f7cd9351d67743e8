"""One connection's place in the table, since when, and why it ends."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from keepline.errors import IllegalTransitionError
from keepline.lifecycle.states import TABLE, Effect, Event, State
from keepline.reasons import CloseReason

# Events that can have one reason only bring it themselves.
IMPLIED: Final = {
    Event.SILENT: CloseReason.HEARTBEAT_TIMEOUT,
    Event.PEER_CLOSED: CloseReason.DEVICE_SAID_CLOSE,
}

# The states of a connection that has no reason to end.
LIVING: Final = frozenset({State.CONNECTING, State.AUTHENTICATING, State.ACTIVE, State.IDLE})


class Transition(NamedTuple):
    """What one event did. `after_s` is the time spent in `previous` so far."""

    previous: State
    state: State
    event: Event
    reason: CloseReason | None
    after_s: float
    effects: tuple[Effect, ...]


class Lifecycle(Struct, eq=False, gc=False):
    """Four words per connection.

    `since` is when `state` was entered, `reason` why it ends, `ended_in` in which state that began.
    """

    since: float
    state: State = State.CONNECTING
    reason: CloseReason | None = None
    ended_in: State | None = None

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
            self.ended_in = previous
        after_s = now - self.since
        if state is not previous:
            self.state = state
            self.since = now
        return Transition(previous, state, event, kept, after_s, effects)
