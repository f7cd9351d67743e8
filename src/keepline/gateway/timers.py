"""Handler calls that come later: `session.after`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Callable

    from keepline.gateway.calls import Calls


class Timer:
    """One call to come: in order with the other calls, and gone with the session."""

    __slots__ = ("_handle", "_held", "_method")

    def __init__(
        self,
        session: Calls,
        held: set[Timer],
        delay_s: float,
        method: Callable[..., object],
        arguments: tuple[object, ...],
    ) -> None:
        self._held = held
        self._method = method
        loop = session.connection.node.loop
        self._handle: TimerHandle = loop.call_later(delay_s, self._fire, session, arguments)
        held.add(self)

    def cancel(self) -> None:
        """Do not make the call; idempotent, and too late once its turn has come."""
        self._handle.cancel()
        self._held.discard(self)

    def _fire(self, session: Calls, arguments: tuple[object, ...]) -> None:
        self._held.discard(self)
        session.deliver(self._method, *arguments)
        session.rest()
