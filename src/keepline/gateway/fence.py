"""The fence around the application's code: its failures end its own session and nothing else.

So does its `sys.exit()`, which a library can raise where nobody expects it.
"""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING

from keepline.gateway.isolation.places import place_of_task
from keepline.gateway.mistakes import returned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.gateway.calls import Calls
    from keepline.gateway.isolation.faults import Faults


class Fence:
    """Calls handlers, and turns whatever they raise into the end of their session."""

    __slots__ = ("_faults",)

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def call(
        self, session: Calls, method: Callable[..., object], *arguments: object
    ) -> Awaitable[object] | None:
        """Call `method(session, *arguments)`; what is left to await is returned, else None."""
        try:
            rest = method(session, *arguments)
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 (the fence)
            # Nothing was awaited, so nobody cancelled us: it asked a future that was.
            self.on_failure(session, method, error)
            return None
        return rest if rest is None else self._rest(session, method, rest)

    def call_with(
        self, session: Calls, method: Callable[..., object], argument: object
    ) -> Awaitable[object] | None:
        """As `call`, for what is called for each frame: its one argument costs no tuple."""
        try:
            rest = method(session, argument)
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 (the fence)
            self.on_failure(session, method, error)
            return None
        return rest if rest is None else self._rest(session, method, rest)

    def _rest(
        self, session: Calls, method: Callable[..., object], rest: object
    ) -> Awaitable[object] | None:
        if isawaitable(rest):
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
        """End the session of a call that raised, as the table of faults says."""
        self._faults.of_handler(session, method, error)

    def where(self, session: Calls) -> str:
        """Return as FILE:LINE what the call under way waits for, empty when there is none."""
        worker = session.worker
        return "" if worker is None else place_of_task(worker)
