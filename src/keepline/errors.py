"""The exception tree.

KeeplineError
├── PeerError                 the peer's fault; carries the reason its connection ends with
│   ├── ProtocolError         RFC 6455 was broken
│   ├── InvalidDataError      bytes that are not what they claim to be (UTF-8)
│   ├── TooBigError           beyond a limit on size
│   ├── FloodError            beyond a limit on rate or count
│   ├── RefusedError          not let in; answered in HTTP, before the upgrade
│   └── HelloError            upgraded, but no usable hello
└── OurError                  our fault or our operator's
    ├── StartError            cannot start; the message says what to do next
    │   └── SettingsError     a setting is wrong; names the field and the allowed values
    ├── HandlerError          the application's code failed
    │   ├── HandlerTimeoutError   a call took too long
    │   ├── BudgetError           it has more under way than a session may have
    │   └── SuspendedError        so many of its kind have failed that no more are begun
    ├── ToolError             a device's tool did not do what it was called for
    │   ├── ToolTimeoutError  it did not answer in time
    │   └── NoToolsError      the device has none
    ├── SessionEndedError     too late: what was asked of a session needs its device
    ├── LedgerError           who is enrolled could not be written down
    ├── DrainError            a drain is not where what was asked of it can be done
    ├── HubError              the memory of all nodes
    │   ├── ReplacedError     a newer claim holds the device
    │   ├── NotConnectedError nobody holds the device
    │   ├── CommandError      what was to be sent is no message to a device
    │   ├── NoAnswerError     a command was sent, its outcome is unknown
    │   └── HubDownError      the store cannot be used now
    └── IllegalTransitionError  an event that its state does not know
"""

from __future__ import annotations

from typing import ClassVar

from keepline.reasons import CloseReason


class KeeplineError(Exception):
    """Every error this package raises on purpose."""

    reason: CloseReason


class PeerError(KeeplineError):
    """The peer's fault: costs the peer its connection and nobody else anything."""

    default_reason: ClassVar[CloseReason] = CloseReason.PROTOCOL_ERROR

    def __init__(self, detail: str, reason: CloseReason | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = self.default_reason if reason is None else reason


class ProtocolError(PeerError):
    """RFC 6455 was broken (close code 1002)."""


class InvalidDataError(PeerError):
    """Text that is not UTF-8 (close code 1007)."""

    default_reason = CloseReason.INVALID_DATA


class TooBigError(PeerError):
    """A message or a count of fragments beyond its limit (close code 1009)."""

    default_reason = CloseReason.MESSAGE_TOO_BIG


class FloodError(PeerError):
    """More frames or messages than the limits allow (close code 1008)."""

    default_reason = CloseReason.FLOODING


class RefusedError(PeerError):
    """Not let in. `reason.status` is the HTTP status, `retry_after_s` goes into Retry-After.

    `allow` is what a 405 says is allowed, where that is less than for other paths.
    """

    default_reason = CloseReason.BAD_REQUEST

    def __init__(
        self,
        detail: str,
        reason: CloseReason | None = None,
        *,
        retry_after_s: int | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(detail, reason)
        assert self.reason.status is not None, "a refusal is answered in HTTP"
        self.retry_after_s = retry_after_s
        self.allow = allow


class HelloError(PeerError):
    """The first message was not a usable hello (close code 1008)."""

    default_reason = CloseReason.HELLO_INVALID


class OurError(KeeplineError):
    """Our fault or our operator's."""

    reason = CloseReason.INTERNAL_ERROR


class StartError(OurError):
    """Keepline cannot start; `hint` says what to do next."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem}\n  {hint}" if hint else problem)
        self.problem = problem
        self.hint = hint


class SettingsError(StartError):
    """A setting is wrong; `problem` names the field, `hint` the allowed values."""


class HandlerError(OurError):
    """The application's code raised; the original error is the `__cause__`."""

    reason = CloseReason.HANDLER_FAILED


class HandlerTimeoutError(HandlerError):
    """A handler's call took longer than `isolation.call_timeout_s`."""

    reason = CloseReason.HANDLER_TIMEOUT


class BudgetError(HandlerError):
    """A session wanted more tasks, timers or sends than it may have; it ends."""

    reason = CloseReason.HANDLER_OVER_BUDGET


class SuspendedError(HandlerError):
    """So many sessions of this handler have failed that no more are begun for a while."""

    reason = CloseReason.HANDLER_SUSPENDED


class ToolError(OurError):
    """A device's tool did not do what it was called for; the message is the device's.

    `code` is JSON-RPC's, None where the device gives none, as stock firmware does not.
    """

    reason = CloseReason.HANDLER_FAILED

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class ToolTimeoutError(ToolError):
    """The device did not answer in time; whether the tool did its work is unknown."""


class NoToolsError(ToolError):
    """The device does not say that it has tools."""


class SessionEndedError(OurError):
    """Too late: what was asked of a session needs its device, and that has gone."""

    reason = CloseReason.HANDLER_FAILED


class HubError(OurError):
    """The hub could not do what it was asked."""


class ReplacedError(HubError):
    """A newer claim holds the device: nothing of an older one counts any more."""

    reason = CloseReason.REPLACED


class NotConnectedError(HubError):
    """Nobody holds the device."""


class CommandError(HubError):
    """What was to be sent is no message that a server may send."""


class NoAnswerError(HubError):
    """A command was sent, and what became of it is unknown."""


class HubDownError(HubError):
    """The store cannot be used now; what was asked for has not been done."""


class LedgerError(OurError):
    """Who is enrolled could not be written down; what was asked for has not been done."""


class DrainError(OurError):
    """A drain is not where what was asked of it can be done."""


class IllegalTransitionError(OurError):
    """An event that its state does not know: a bug of ours."""
