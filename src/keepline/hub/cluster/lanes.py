"""One thing at a time for each device, in the order of asking; no device waits for another."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from keepline.errors import HubDownError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MOST_WAITING: Final = 65_536
MOST_BYTES: Final = 67_108_864

T = TypeVar("T")


class Lanes:
    """Holds what is under way; `waiting_bytes` is what that takes. Idle devices take nothing."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        most_waiting: int = MOST_WAITING,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.waiting_bytes = 0
        self._loop = loop
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._is_stopped = False
        self._tasks: dict[asyncio.Task[Any], int] = {}  # and what each takes
        self._last: dict[str, asyncio.Task[object]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def run(
        self, device_id: str, work: Callable[[], Awaitable[T]], size_bytes: int = 200
    ) -> asyncio.Task[T]:
        """Begin `work` when all that was asked for before of this device is done.

        Nobody has to wait for the task; to be cancelled it is only by `stop`. Raises HubDownError
        when there is no room, or after that.
        """
        if self._is_stopped:
            raise HubDownError("the hub has stopped")
        if (
            len(self._tasks) >= self._most_waiting
            or self.waiting_bytes + size_bytes > self._most_bytes
        ):
            raise self._full()
        before = self._last.get(device_id)
        task = self._loop.create_task(_after(before, work))
        self.waiting_bytes += size_bytes
        self._tasks[task] = size_bytes
        self._last[device_id] = task
        task.add_done_callback(partial(self._done, device_id))
        return task

    def grow(self, task: asyncio.Task[T], by_bytes: int) -> None:
        """What waits takes so much more, or less. Raises HubDownError when there is no room."""
        if self.waiting_bytes + by_bytes > self._most_bytes:
            raise self._full()
        self.waiting_bytes += by_bytes
        self._tasks[task] += by_bytes

    def is_last(self, device_id: str, task: asyncio.Task[T]) -> bool:
        """Return whether nothing was asked for of this device since."""
        return self._last.get(device_id) is task

    async def passed(self, device_id: str) -> None:
        """Wait for all that was asked for of this device until now."""
        last = self._last.get(device_id)
        if last is not None:
            await asyncio.wait({last})

    async def flush(self, within_s: float) -> int:
        """Wait for everything; return how many are not done after `within_s`."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within_s)
        return len(self._tasks)

    async def stop(self) -> None:
        """Cancel what is left, and take nothing any more."""
        self._is_stopped = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _full(self) -> HubDownError:
        return HubDownError(f"no room: {len(self._tasks)} writes wait already")

    def _done(self, device_id: str, task: asyncio.Task[object]) -> None:
        self.waiting_bytes -= self._tasks.pop(task)
        if self._last.get(device_id) is task:
            del self._last[device_id]
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it


async def _after(before: asyncio.Task[object] | None, work: Callable[[], Awaitable[T]]) -> T:
    if before is not None:
        await asyncio.wait({before})
    return await work()
