"""By when admissions have to be done: one timer for all of them, where each would need its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self

from keepline.lifecycle.profile import HANDSHAKE_S

if TYPE_CHECKING:
    from types import TracebackType

MOST_KEPT_WAITING_S: Final = HANDSHAKE_S - 1.0
"""So long at most do we keep a device waiting, whatever for: the rest is for judging it."""


class Deadlines:
    """Makes deadlines that are all `timeout_s` away when they begin."""

    __slots__ = ("_loop", "_overdue", "_timeout_s", "_timer", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self._loop = loop
        self._timeout_s = timeout_s
        self._waiting: dict[Deadline, None] = {}  # whose own time was not changed; soonest first
        self._overdue: dict[asyncio.Task[Any], float] = {}  # told to end, and since when
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self) -> Deadline:
        """Return a deadline of the task that enters it, from now on."""
        deadline = Deadline(self, self._loop, self._loop.time() + self._timeout_s)
        self._waiting[deadline] = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline.when(), self._look)
        return deadline

    def forget(self, deadline: Deadline) -> None:
        """Mind this one no more; idempotent."""
        self._waiting.pop(deadline, None)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tell(self, task: asyncio.Task[Any]) -> None:
        """The time of a task is over: cancel what it waits for."""
        self._overdue[task] = self._loop.time()
        task.cancel()

    def ended(self, task: asyncio.Task[Any]) -> None:
        """A task that was told has left its block; idempotent."""
        self._overdue.pop(task, None)

    def take_overdue(self, for_s: float) -> list[asyncio.Task[Any]]:
        """Return, once, who was told so long ago and has not left its block."""
        past = self._loop.time() - for_s
        found = [task for task, since in self._overdue.items() if since <= past]
        for task in found:
            del self._overdue[task]
        return found

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._waiting:
            deadline = next(iter(self._waiting))
            if deadline.when() > now:
                self._timer = self._loop.call_at(deadline.when(), self._look)
                return
            del self._waiting[deadline]
            deadline.expire()


class Deadline:
    """As `asyncio.timeout`, for one task: TimeoutError from its block when the time is over."""

    __slots__ = ("_all", "_expired", "_loop", "_task", "_timer", "_when", "waited_s")

    def __init__(self, among: Deadlines, loop: asyncio.AbstractEventLoop, when: float) -> None:
        self._all = among
        self._loop = loop
        self._when = when
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None  # once it has a time of its own
        self._task: asyncio.Task[object] | None = None
        self.waited_s = 0.0
        """How long its device was kept waiting: held, or for its turn."""

    def when(self) -> float:
        """Return when it passes, in the loop's time."""
        return self._when

    def spent_s(self, timeout_s: float) -> float:
        """Return how much of its `timeout_s` is over; what it was put off for does not count."""
        return timeout_s - self._when + self._loop.time()

    @property
    def patience_s(self) -> float:
        """How long its device may still be kept waiting."""
        return max(0.0, MOST_KEPT_WAITING_S - self.waited_s)

    def put_off(self, wait_s: float) -> float:
        """Pass later by as much of `wait_s` as its device may be kept waiting; return that."""
        wait_s = min(wait_s, self.patience_s)
        self.waited_s += wait_s
        self.reschedule(self._when + wait_s)
        return wait_s

    def reschedule(self, when: float) -> None:
        """Have it pass at another time of the loop's, unless it has passed already."""
        if self._expired:
            return
        self._all.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        self._when = when
        self._timer = self._loop.call_at(when, self.expire)

    def expire(self) -> None:
        """The time is over: cancel what the task waits for."""
        self._expired = True
        if self._task is not None:
            self._all.tell(self._task)

    def check(self) -> None:
        """Raise TimeoutError for who goes on although the time is over."""
        if self._expired:
            raise TimeoutError

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._all.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        task, self._task = self._task, None
        if self._expired and task is not None:
            self._all.ended(task)
        # Who is cancelled by somebody else as well stays cancelled.
        stays = not self._expired or task is None or task.uncancel() > 0
        if not stays and kind is asyncio.CancelledError:
            raise TimeoutError from error
