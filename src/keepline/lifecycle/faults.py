"""What is done about an exception, by its class: one table, the most specific row first.

A class is told by type and errno, never by a name. `OSError` stands behind all that are one, since
the first row that fits counts.
"""

from __future__ import annotations

import errno
from enum import Enum, StrEnum
from typing import Final, Literal, NamedTuple

from keepline.errors import (
    HandlerError,
    HubError,
    PeerError,
    ReplacedError,
    SessionEndedError,
    ToolError,
)
from keepline.reasons import CloseReason


class Fault(StrEnum):
    """A class of exceptions: the closed list by which they are counted."""

    MEMORY = "memory"
    PROTOCOL = "protocol"
    HANDLER = "handler"
    HUB = "hub"
    RESET = "reset"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    OS = "os"
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where an exception came from: the same one means something else in each."""

    SOCKET = "socket"  # the loop said that a connection is lost
    HANDLER = "handler"  # the application's code raised it
    US = "us"  # our own code did


class Action(Enum):
    """What is done, beside counting and telling."""

    CLOSE = "close"  # the connection, if it is one's
    RELEASE = "release"  # give up waiting audio and caches, then close


class Strategy(NamedTuple):
    """One row: who is meant, and what is done about it.

    A reason that is None is the error's own. `level` is of the line about a lost socket; what a
    handler or we ourselves raise is an error. `moot`: it is no fault in a session that has ended.
    """

    fault: Fault
    types: tuple[type[BaseException], ...]
    errnos: frozenset[int]
    from_socket: CloseReason | None
    from_handler: CloseReason | None
    from_us: CloseReason | None
    action: Action = Action.CLOSE
    level: Literal["debug", "warning", "error"] = "debug"
    counted: bool = True
    moot: bool = False

    def fits(self, error: BaseException) -> bool:
        """Return whether this row is about `error`."""
        if isinstance(error, self.types):
            return True
        return isinstance(error, OSError) and error.errno in self.errnos

    def reason(self, error: BaseException, source: Source) -> CloseReason:
        """Return what a connection ends with for it."""
        by_source = {
            Source.SOCKET: self.from_socket,
            Source.HANDLER: self.from_handler,
            Source.US: self.from_us,
        }
        own = getattr(error, "reason", None)
        return by_source[source] or (own if isinstance(own, CloseReason) else _INTERNAL)


_R = CloseReason
_FAILED, _INTERNAL = CloseReason.HANDLER_FAILED, CloseReason.INTERNAL_ERROR
_NO_ERRNO: Final = frozenset[int]()

OUT_OF_MEMORY: Final = frozenset({errno.ENOMEM, errno.ENOBUFS})
RESET: Final = frozenset(
    {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN}
)

TABLE: Final = (
    # A save that a takeover overtook: the device is well, elsewhere.
    Strategy(Fault.HUB, (ReplacedError,), _NO_ERRNO, None, None, None, counted=False),
    # Who waited for the device when its session ended has not failed.
    Strategy(Fault.CLOSED, (SessionEndedError,), _NO_ERRNO, None, None, _INTERNAL, moot=True),
    Strategy(
        Fault.MEMORY,
        (MemoryError,),
        OUT_OF_MEMORY,
        _R.OUT_OF_MEMORY,
        _R.OUT_OF_MEMORY,
        _R.OUT_OF_MEMORY,
        Action.RELEASE,
        "error",
    ),
    Strategy(Fault.PROTOCOL, (PeerError,), _NO_ERRNO, None, _FAILED, None),
    Strategy(Fault.HANDLER, (HandlerError, ToolError), _NO_ERRNO, None, None, None),
    Strategy(Fault.HUB, (HubError,), _NO_ERRNO, _INTERNAL, _FAILED, _INTERNAL, level="error"),
    Strategy(
        Fault.RESET,
        (ConnectionResetError, BrokenPipeError, ConnectionAbortedError),
        RESET,
        _R.DEVICE_RESET,
        _FAILED,
        _INTERNAL,
    ),
    Strategy(
        Fault.TIMEOUT,
        (TimeoutError,),
        frozenset({errno.ETIMEDOUT}),
        _R.NETWORK_TIMEOUT,
        _FAILED,
        _INTERNAL,
    ),
    Strategy(
        Fault.CLOSED, (ConnectionError, EOFError), _NO_ERRNO, _R.NETWORK_LOST, _FAILED, _INTERNAL
    ),
    Strategy(Fault.OS, (OSError,), _NO_ERRNO, _R.NETWORK_LOST, _FAILED, _INTERNAL),
    # Our own code raised it where the loop called it: no network did that.
    Strategy(
        Fault.UNKNOWN, (BaseException,), _NO_ERRNO, _INTERNAL, _FAILED, _INTERNAL, level="error"
    ),
)


def strategy_of(error: BaseException) -> Strategy:
    """Return the first row that fits; the last one fits all."""
    return next(row for row in TABLE if row.fits(error))
