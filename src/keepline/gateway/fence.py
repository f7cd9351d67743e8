"""The fence around the application's code: its failures end its own session and nothing else.

So does its `sys.exit()`, which a library can raise where nobody expects it.
"""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING

from keepline.errors import ReplacedError, SessionEndedError
from keepline.gateway.mistakes import place_of, returned
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.gateway.calls import Calls
    from keepline.log import Log
    from keepline.monitor.metrics import Counters


class Fence:
    """Calls handlers, and turns whatever they raise into the end of their session."""

    __slots__ = ("_counters", "_log")

    def __init__(self, log: Log, counters: Counters) -> None:
        self._log = log
        self._counters = counters

    def call(
        self, session: Calls, method: Callable[..., object], *arguments: object
    ) -> Awaitable[object] | None:
        """Call `method(session, *arguments)`; what is left to await is returned, else None."""
        try:
            rest = method(session, *arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (the fence)
            self.on_failure(session, method, error)
            return None
        if rest is None or isawaitable(rest):
            return rest
        self.on_failure(session, method, returned(rest, method))
        return None

    async def wait(
        self,
        session: Calls,
        method: Callable[..., object],
        rest: Awaitable[object],
        *,
        may_return: bool = False,
    ) -> None:
        """Await the rest of a call; our own cancellation passes through."""
        try:
            value = await rest
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled the call: it awaited something that was, and did not mind.
            self.on_failure(session, method, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (the fence)
            self.on_failure(session, method, error)
        else:
            if value is not None and not may_return:
                self.on_failure(session, method, returned(value, method))

    def on_failure(
        self, session: Calls, method: Callable[..., object], error: BaseException
    ) -> None:
        """Count and log what a call raised, and end its session.

        Who waited for the device when the session ended has not failed; neither has who saved
        when another session had just taken the device over.
        """
        if isinstance(error, SessionEndedError) and session.connection.lifecycle.reason:
            return
        if isinstance(error, ReplacedError):
            session.close(CloseReason.REPLACED)
            return
        self._counters.handler_failures += 1
        self._log.error(
            "handler_failed",
            error=error,
            call=getattr(method, "__qualname__", repr(method)),
            at=place_of(error, method),
            device_id=session.device_id,
            session_id=session.session_id,
        )
        session.close(CloseReason.HANDLER_FAILED)
