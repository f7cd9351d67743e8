"""How long a handler's call may take that awaits something: one look a second at those under way.

A plain call costs nothing here. One that awaits costs an entry in a dictionary, and no timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keepline.errors import HandlerTimeoutError
from keepline.gateway.isolation.places import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.calls import Calls
    from keepline.gateway.isolation.faults import Faults
    from keepline.histogram import Histogram


class _Call(NamedTuple):
    """A call under way: when it `began`, and `since` when it counts against its limit."""

    method: Callable[..., object]
    began: float
    since: float


class Deadlines:
    """The sessions with a call under way."""

    __slots__ = ("_faults", "_limit_s", "_took", "_under_way")

    def __init__(self, faults: Faults, limit_s: float, took: Histogram) -> None:
        """How long each call took is observed in `took`."""
        self._faults = faults
        self._limit_s = limit_s
        self._took = took
        self._under_way: dict[Calls, _Call] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def __contains__(self, session: Calls) -> bool:
        return session in self._under_way

    def begin(self, session: Calls, method: Callable[..., object], now: float) -> None:
        """Note that a call awaits something from now on."""
        self.end(session, now)
        self._under_way[session] = _Call(method, now, now)

    def end(self, session: Calls, now: float) -> None:
        """Nothing is under way any more; idempotent."""
        ended = self._under_way.pop(session, None)
        if ended is not None:
            self._took.observe(now - ended.began)

    def each_second(self, now: float) -> None:
        """End the sessions whose call has taken too long; the time it was heard does not count."""
        overdue = [
            (session, call)
            for session, call in self._under_way.items()
            if now - call.since >= self._limit_s
        ]
        for session, call in overdue:
            heard_until = now + session.heard_for_s()
            if session.connection.lifecycle.reason is not None:  # its end has bounds of its own
                self._under_way.pop(session, None)
            elif now - heard_until < self._limit_s and heard_until > call.since:
                self._under_way[session] = call._replace(since=heard_until)
            else:
                self.end(session, now)
                self._give_up(session, call.method)

    def _give_up(self, session: Calls, method: Callable[..., object]) -> None:
        error = HandlerTimeoutError(
            f"{name_of(method)} has taken {self._limit_s:g} s (isolation.call_timeout_s)"
        )
        self._faults.of_handler(session, method, error, session.where())
        session.cancel_call()
