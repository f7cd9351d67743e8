"""Who is told slowly: one notice after the other, in order, bounded in time and number."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.log import Log
    from keepline.monitor.alerts.alert import Notice

MOST_WAITING: Final = 100
"""Notices that wait; the oldest goes when there are more."""

END_S: Final = 1.0
"""For what was cancelled to end; what ignores that holds nobody up any longer."""


class NoticeQueue:
    """One task tells while notices wait, each within `timeout_s`; what `tell` raises is logged.

    `dropped` counts what found no room, or no time at the end.
    """

    def __init__(
        self, name: str, tell: Callable[[Notice], Awaitable[None]], *, timeout_s: float, log: Log
    ) -> None:
        self.dropped = 0
        self._name = name
        self._tell = tell
        self._timeout_s = timeout_s
        self._log = log
        self._waiting: deque[Notice] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, notice: Notice) -> None:
        """Have it told when it is its turn."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(notice)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._tell_all())

    async def stop(self, within_s: float) -> None:
        """Tell what waits as far as it goes within the time."""
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=within_s)
            if late:
                self.dropped += 1  # the one that is being told
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=END_S)
        self.dropped += len(self._waiting)
        self._waiting.clear()
        if self.dropped:
            self._log.warning("alerts_not_told", notifier=self._name, count=self.dropped)

    async def _tell_all(self) -> None:
        try:
            while self._waiting:
                await self._tell_one(self._waiting.popleft())
        finally:
            self._task = None

    async def _tell_one(self, notice: Notice) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._tell(notice)
        except TimeoutError:
            self._failed(notice, f"not done within {self._timeout_s:g} s")
        except (Exception, SystemExit) as error:  # noqa: BLE001 (outside code: a fence)
            self._failed(notice, f"{type(error).__name__}: {error}")

    def _failed(self, notice: Notice, problem: str) -> None:
        self._log.warning(
            "alert_not_told", notifier=self._name, number=notice.alert.number, problem=problem
        )
