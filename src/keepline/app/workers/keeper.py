"""Keeps one worker there: starts it, and starts it again when it ends by itself."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

from keepline.app.workers.backoff import Backoff
from keepline.app.workers.child import how
from keepline.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.app.workers.child import Child
    from keepline.clock import Clock
    from keepline.log import Log

HAND_ON: Final = signal.SIGUSR1
"""Tells a worker that others have come in its place."""

NOT_STARTED: Final = 127  # as a shell has it
_UNHEARD: Final = frozenset({-signal.SIGTERM, -HAND_ON})


class Keeper:
    """One slot. `make` returns a process for it, told how the last one ended, "" for the first.

    Who ends with status 0 was asked to, by us or an operator, and is let go. Any other end is told
    in the log, and another process is started, later with each short life. The first has to become
    ready: when it ends before, it is not tried again.
    """

    def __init__(
        self,
        slot: int,
        make: Callable[[str], Child],
        clean_up: Callable[[], None],
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self.slot = slot
        self.ready = asyncio.Event()  # the first process is, or it has ended
        self.was_ready = False
        self.status = 0
        self._make = make
        self._clean_up = clean_up
        self._clock = clock
        self._log = log
        self._child: Child | None = None
        self._waiting: asyncio.Event | None = None  # until the next is started
        self._is_leaving = False

    @property
    def pid(self) -> int:
        """The process that is there now, 0 for none."""
        return 0 if self._child is None else self._child.pid

    async def run(self) -> None:
        """Return when the worker has left; how is its `status`."""
        backoff, ended = Backoff(), ""
        try:
            while True:
                began_at = self._clock.now()
                self._child = self._make(ended)
                self.status = await self._ran(self._child)
                self._clean_up()
                if self._is_leaving and self.status in _UNHEARD:
                    self.status = 0  # it was told before it could listen
                if self.status == 0 or self._is_leaving or not self.was_ready:
                    return
                ended = how(self.status)
                wait_s = backoff.after(self._clock.now() - began_at)
                self._log.error("worker_ended", worker=self.slot, how=ended, again_in_s=wait_s)
                if await self._is_told_to_leave(wait_s):
                    self.status = 0
                    return
        finally:
            self._child = None
            self.ready.set()

    def leave(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Have the worker leave, and start no other; a second SIGTERM hurries it."""
        self._is_leaving = True
        self.send(number)
        if self._waiting is not None:
            self._waiting.set()

    def send(self, number: signal.Signals) -> None:
        """Send the worker a signal, if it is there."""
        if self._child is not None:
            self._child.send(number)

    async def _ran(self, child: Child) -> int:
        try:
            return await child.run(self._on_ready)
        except (StartError, OSError) as error:
            self._log.error("worker_not_started", worker=self.slot, error=error)
            return NOT_STARTED

    def _on_ready(self) -> None:
        self.was_ready = True
        self.ready.set()
        self._log.info("worker_ready", worker=self.slot, pid=self.pid)

    async def _is_told_to_leave(self, within_s: float) -> bool:
        self._waiting = asyncio.Event()
        try:
            async with asyncio.timeout(within_s):
                await self._waiting.wait()
        except TimeoutError:
            return self._is_leaving
        finally:
            self._waiting = None
        return True
