"""What every fence does with what it has caught: count it, tell it, and say how to end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import json

from keepline.gateway.isolation.places import kind_of, name_of
from keepline.gateway.isolation.release import release_caches, release_everywhere
from keepline.gateway.mistakes import place_of
from keepline.gateway.registry import folded
from keepline.lifecycle.faults import Action, Source, strategy_of
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.calls import Calls
    from keepline.gateway.node import Node

EVENTS_PER_S: Final = 10
"""Faults in a second that become events of the hub; the others are one, with their number."""

RELEASE_EACH_S: Final = 10.0
"""How often everybody's waiting audio may be given up."""

_HUNG_UP: Final = CloseReason.DEVICE_CLOSED

DEEPEST: Final = 32
"""Exceptions behind an exception that are looked at."""


class Faults:
    """Applies the table of `lifecycle.faults`; one for a node.

    The first error of a session is kept until the session has gone, so that later ones can say
    behind which they came.
    """

    __slots__ = ("_events", "_first", "_node", "_released_at")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._first: dict[Calls, BaseException] = {}
        self._events = 0  # in this second
        self._released_at = -RELEASE_EACH_S

    # -- the fences ------------------------------------------------------------------------

    def of_handler(
        self,
        session: Calls,
        method: Callable[..., object],
        error: BaseException,
        at: str | None = None,
    ) -> None:
        """End a session for what its handler did; the first reason stays. `at` is FILE:LINE."""
        node, connection = self._node, session.connection
        strategy = strategy_of(error)
        if strategy.moot and connection.lifecycle.reason is not None:
            return
        reason = strategy.reason(error, Source.HANDLER)
        if not strategy.counted:
            session.close(reason)
            return
        node.counters.handler_failures += 1
        node.counters.faults[strategy.fault, Source.HANDLER] += 1
        at = place_of(error, method) if at is None else at
        fields: dict[str, object] = {"handler": kind_of(type(session.handler))}
        if (first := self._chain(session, error)) is not None:
            fields["after"] = first
        node.log.error(
            "handler_failed",
            error=error,
            call=name_of(method),
            at=at,
            fault=strategy.fault,
            device_id=session.device_id,
            session_id=session.session_id,
            **fields,
        )
        told: dict[str, object] = {
            "call": name_of(method),
            "at": at,
            "session_id": session.session_id,
            **fields,
        }
        self._audit(session.device_id, strategy.fault, Source.HANDLER, reason, told)
        if strategy.action is Action.RELEASE:
            session.drop_audio()
            release_caches(node)
        detail = f"{type(error).__name__} at {at}" if at else type(error).__name__
        self.close(session, reason, "failed_not_closed", detail)
        node.isolation.suspensions.failed(
            type(session.handler), session.device_id, connection.address
        )

    def of_ours(
        self, error: BaseException, event: str, device_id: str = "", **fields: object
    ) -> CloseReason:
        """Tell a fault of our own as `event`, and return what its connection ends with."""
        node, strategy = self._node, strategy_of(error)
        reason = strategy.reason(error, Source.US)
        node.counters.faults[strategy.fault, Source.US] += 1
        if device_id:
            fields["device_id"] = device_id
        node.log.error(event, error=error, **fields)
        told: dict[str, object] = {"event": event, "error": type(error).__name__}
        self._audit(device_id, strategy.fault, Source.US, reason, told)
        if strategy.action is Action.RELEASE:
            self._release()
        return reason

    def close(self, session: Calls, reason: CloseReason, event: str, detail: str = "") -> None:
        """Close a session that has to go, also where something of ours fails in it: see below."""
        try:
            session.connection.close(reason, detail)
        except Exception as error:  # noqa: BLE001 (who closes it goes on: a fence)
            self.of_its_end(session, error, event)

    def of_its_end(self, session: Calls, error: Exception, event: str) -> None:
        """Tell a fault of our own in ending a session as `event`; it goes all the same, by TCP."""
        reason = self.of_ours(error, event, session.device_id)
        with suppress(Exception):  # that is what failed; its reason stands before anything can
            session.connection.close(reason)
        session.connection.transport.abort()

    def of_socket(self, error: Exception | None) -> CloseReason:
        """Return who ended a TCP connection, from what the loop says of its loss."""
        if error is None:
            return _HUNG_UP
        strategy = strategy_of(error)
        self._node.counters.faults[strategy.fault, Source.SOCKET] += 1
        reason = strategy.reason(error, Source.SOCKET)
        if strategy.level == "error":
            self._node.log.error("connection_failed", error=error, cause=reason.cause)
        if strategy.action is Action.RELEASE:
            self._release()
        return reason

    def forget(self, session: Calls) -> None:
        """Drop what was kept of a session: it has gone."""
        self._first.pop(session, None)

    def each_second(self) -> None:
        """Have as many events again; say how many there was no room for."""
        surplus, self._events = self._events - EVENTS_PER_S, 0
        if surplus > 0:
            self._node.hub.emit("", "fault", json.encode({"folded": surplus}))

    # -- parts -----------------------------------------------------------------------------

    def _chain(self, session: Calls, error: BaseException) -> BaseException | None:
        """Put an error behind the session's first one, and return that; None for the first."""
        first = self._first.get(session)
        if first is None:
            if session.connection.lifecycle.state is not State.CLOSED:
                self._first[session] = error
            return None
        last = error
        for _ in range(DEEPEST):
            if last is first:
                return first
            if (behind := last.__cause__ or last.__context__) is None:
                last.__context__ = first
                break
            last = behind
        return first

    def _audit(
        self,
        device_id: str,
        fault: str,
        source: Source,
        reason: CloseReason,
        told: dict[str, object],
    ) -> None:
        self._events += 1
        if self._events > EVENTS_PER_S:
            return
        if isinstance(after := told.get("after"), BaseException):
            told["after"] = type(after).__name__  # whose text may be anybody's
        about = {"fault": fault, "source": source, "cause": reason.cause, **told}
        self._node.hub.emit(folded(device_id), "fault", json.encode(about))

    def _release(self) -> None:
        now = self._node.ticker.now
        if now - self._released_at >= RELEASE_EACH_S:
            self._released_at = now
            release_everywhere(self._node)
