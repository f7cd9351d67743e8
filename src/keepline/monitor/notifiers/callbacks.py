"""What a program that embeds a gateway wants to be told: functions of its own."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeAlias

from keepline.monitor.notifiers.notice_queue import NoticeQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.log import Log
    from keepline.monitor.alerts.alert import Notice

    OnAlert: TypeAlias = Callable[[Notice], Awaitable[None] | None]


class Callbacks:
    """Called on the loop with each notice, all at once; the next notice waits for them."""

    def __init__(self, *, timeout_s: float, log: Log) -> None:
        self._called: list[OnAlert] = []
        self._log = log
        self._queue = NoticeQueue("callback", self._call_all, timeout_s=timeout_s, log=log)

    def add(self, callback: OnAlert) -> None:
        """Have `callback` called from now on."""
        self._called.append(callback)

    def tell(self, notice: Notice) -> None:
        """Have them called, in the next turn."""
        if self._called:
            self._queue.put(notice)

    async def stop(self, within_s: float) -> None:
        """Let them finish within the time."""
        await self._queue.stop(within_s)

    async def _call_all(self, notice: Notice) -> None:
        await asyncio.gather(*(self._call(each, notice) for each in self._called))

    async def _call(self, callback: OnAlert, notice: Notice) -> None:
        try:
            rest = callback(notice)
            if isawaitable(rest):
                await rest
        except (Exception, SystemExit) as error:  # noqa: BLE001 (outside code: a fence)
            self._log.error("alert_callback_failed", error=error, number=notice.alert.number)
