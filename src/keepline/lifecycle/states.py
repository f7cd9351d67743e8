"""The one transition table: what every state makes of every event it knows.

An event that its state does not list is a bug of ours. Events that may rightly come late (a second
wish to close, the transport's end after we aborted it) stand in the table and change nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from keepline.reasons import Initiator


class State(StrEnum):
    """Where a connection is in its life."""

    __hash__ = str.__hash__  # an enum's own is a call in Python, for every look at the table

    CONNECTING = "connecting"  # accepted; the request is being read
    AUTHENTICATING = "authenticating"  # being judged, then (after the 101) awaited to say hello
    ACTIVE = "active"  # has a session; data flows now and then
    IDLE = "idle"  # has a session; no data message for a while, buffers given back
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"  # judged dead
    DISCONNECTING = "disconnecting"  # being closed; waits for the peer or for the bound
    REJECTED = "rejected"  # refused in HTTP; waits until the answer is out
    CLEANUP = "cleanup"  # the socket is gone; what it held is being released
    CLOSED = "closed"  # nothing is left


class Event(StrEnum):
    """What can happen to a connection."""

    __hash__ = str.__hash__  # an enum's own is a call in Python, for every look at the table

    REQUEST_ACCEPTED = "request_accepted"  # the head is read and checked
    REFUSED = "refused"  # an HTTP refusal was written, before the 101
    HELLO = "hello"  # hello accepted, session claimed
    QUIET = "quiet"  # no data message for idle_after_s
    ACTIVITY = "activity"  # a data message while IDLE
    SILENT = "silent"  # the judge's verdict, free to be carried out
    CLOSE = "close"  # anybody decided to end it
    PEER_CLOSED = "peer_closed"  # the peer's Close frame
    CLOSE_DUE = "close_due"  # the time for a civil ending is over
    HUNG_UP = "hung_up"  # TCP is gone, and the peer wanted it so: FIN, RST, or its Close before
    TRANSPORT_LOST = "transport_lost"  # TCP is gone, and the peer had no part in it
    CLEANED = "cleaned"  # cleanup has finished


class Effect(StrEnum):
    """What the shell has to do about a transition, in the order given."""

    START_HEARTBEAT = "start_heartbeat"
    TELL_IDLE = "tell_idle"
    RELEASE_BUFFERS = "release_buffers"
    TELL_WOKEN = "tell_woken"
    SEND_CLOSE = "send_close"  # a Close frame, if the 101 is out
    CLOSE_TRANSPORT = "close_transport"  # when what is buffered has been written
    ARM_CLOSE_BOUND = "arm_close_bound"  # CLOSE_DUE comes after close_timeout_s
    ABORT_TRANSPORT = "abort_transport"  # now, whatever is buffered
    START_CLEANUP = "start_cleanup"


class Row(NamedTuple):
    """What one event does in one state."""

    next: State
    effects: tuple[Effect, ...] = ()


_LOST: Final = Row(State.CLEANUP, (Effect.START_CLEANUP,))
_ABORTED: Final = Row(State.CLEANUP, (Effect.ABORT_TRANSPORT, Effect.START_CLEANUP))
_REFUSED: Final = Row(State.REJECTED, (Effect.CLOSE_TRANSPORT, Effect.ARM_CLOSE_BOUND))
_CLOSING: Final = Row(State.DISCONNECTING, (Effect.SEND_CLOSE, Effect.ARM_CLOSE_BOUND))
# The server closes TCP itself, at once: ESP32 stacks wait for it (RFC 6455 §7.1.1).
_ANSWERING: Final = Row(
    State.DISCONNECTING, (Effect.SEND_CLOSE, Effect.CLOSE_TRANSPORT, Effect.ARM_CLOSE_BOUND)
)

TABLE: Final[dict[State, dict[Event, Row]]] = {
    State.CONNECTING: {
        Event.REQUEST_ACCEPTED: Row(State.AUTHENTICATING),
        Event.REFUSED: _REFUSED,
        # No frames yet, so no Close frame: also how a plain HTTP answer ends.
        Event.CLOSE: Row(State.DISCONNECTING, (Effect.CLOSE_TRANSPORT, Effect.ARM_CLOSE_BOUND)),
        Event.HUNG_UP: _LOST,
        Event.TRANSPORT_LOST: _LOST,
    },
    State.AUTHENTICATING: {
        Event.REFUSED: _REFUSED,
        Event.HELLO: Row(State.ACTIVE, (Effect.START_HEARTBEAT,)),
        Event.CLOSE: _CLOSING,
        Event.PEER_CLOSED: _ANSWERING,
        Event.HUNG_UP: _LOST,
        Event.TRANSPORT_LOST: _LOST,
    },
    State.ACTIVE: {
        Event.QUIET: Row(State.IDLE, (Effect.TELL_IDLE, Effect.RELEASE_BUFFERS)),
        Event.SILENT: Row(State.HEARTBEAT_TIMEOUT),
        Event.CLOSE: _CLOSING,
        Event.PEER_CLOSED: _ANSWERING,
        Event.HUNG_UP: _LOST,
        Event.TRANSPORT_LOST: _LOST,
    },
    State.IDLE: {
        Event.ACTIVITY: Row(State.ACTIVE, (Effect.TELL_WOKEN,)),
        Event.SILENT: Row(State.HEARTBEAT_TIMEOUT),
        Event.CLOSE: _CLOSING,
        Event.PEER_CLOSED: _ANSWERING,
        Event.HUNG_UP: _LOST,
        Event.TRANSPORT_LOST: _LOST,
    },
    State.HEARTBEAT_TIMEOUT: {
        Event.CLOSE: _CLOSING,
        Event.PEER_CLOSED: _ANSWERING,
        Event.HUNG_UP: _LOST,
        Event.TRANSPORT_LOST: _LOST,
    },
    State.DISCONNECTING: {
        Event.REFUSED: Row(State.DISCONNECTING),
        Event.HELLO: Row(State.DISCONNECTING),  # its claim took longer than its life
        Event.CLOSE: Row(State.DISCONNECTING),
        Event.PEER_CLOSED: Row(State.DISCONNECTING, (Effect.CLOSE_TRANSPORT,)),
        Event.CLOSE_DUE: _ABORTED,
        Event.HUNG_UP: _LOST,
        Event.TRANSPORT_LOST: _LOST,
    },
    State.REJECTED: {
        Event.REFUSED: Row(State.REJECTED),
        Event.CLOSE: Row(State.REJECTED),
        Event.CLOSE_DUE: _ABORTED,
        Event.HUNG_UP: _LOST,
        Event.TRANSPORT_LOST: _LOST,
    },
    State.CLEANUP: {
        Event.REFUSED: Row(State.CLEANUP),
        Event.HELLO: Row(State.CLEANUP),
        Event.CLOSE: Row(State.CLEANUP),
        Event.PEER_CLOSED: Row(State.CLEANUP),
        Event.CLOSE_DUE: Row(State.CLEANUP),
        Event.HUNG_UP: Row(State.CLEANUP),
        Event.TRANSPORT_LOST: Row(State.CLEANUP),
        Event.CLEANED: Row(State.CLOSED),
    },
    State.CLOSED: {
        Event.REFUSED: Row(State.CLOSED),
        Event.HELLO: Row(State.CLOSED),
        Event.CLOSE: Row(State.CLOSED),
        Event.PEER_CLOSED: Row(State.CLOSED),
        Event.CLOSE_DUE: Row(State.CLOSED),
        Event.HUNG_UP: Row(State.CLOSED),
        Event.TRANSPORT_LOST: Row(State.CLOSED),
    },
}


class Origin(NamedTuple):
    """Who began a transition, and why: in words or, where an end began, by its reason's name."""

    initiator: Initiator
    cause: str


# Where an end begins its reason tells both; of every other transition the event does.
ORIGINS: Final[dict[Event, Origin]] = {
    Event.REQUEST_ACCEPTED: Origin(Initiator.DEVICE, "its request was in order"),
    Event.REFUSED: Origin(Initiator.US, "it was refused in HTTP"),
    Event.HELLO: Origin(Initiator.DEVICE, "its hello was accepted"),
    Event.QUIET: Origin(Initiator.US, "no data for session.idle_after_s"),
    Event.ACTIVITY: Origin(Initiator.DEVICE, "data came"),
    Event.SILENT: Origin(Initiator.US, "no sign of life"),
    Event.CLOSE: Origin(Initiator.US, "it was judged dead, so it was closed"),
    Event.PEER_CLOSED: Origin(Initiator.DEVICE, "it sent a Close"),
    Event.HUNG_UP: Origin(Initiator.DEVICE, "it hung up"),
    Event.CLOSE_DUE: Origin(Initiator.US, "it was waited for no longer"),
    Event.TRANSPORT_LOST: Origin(Initiator.NETWORK, "TCP was lost"),
    Event.CLEANED: Origin(Initiator.US, "cleanup was done"),
}
