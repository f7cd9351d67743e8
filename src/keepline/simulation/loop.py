"""One node's event loop in virtual time: no selector, no threads, and it can stall or be killed."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from contextlib import suppress
from contextvars import copy_context
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    from keepline.simulation.timeline import Timeline

MOST_CALLS: Final = 100_000
"""A loop that has not come to rest within so many calls never does."""

MOST_STALLS: Final = 64  # that are remembered


class Worker(Protocol):
    """What stands in for an executor: it says by itself when work is done."""

    def perform(
        self, loop: VirtualLoop, function: Callable[..., object], arguments: tuple[object, ...]
    ) -> asyncio.Future[object]:
        """Do the work, now or later, and settle the future in `loop`."""


class VirtualHandle:
    """One call to come."""

    __slots__ = ("arguments", "callback", "context", "is_cancelled")

    def __init__(
        self, callback: Callable[..., object], arguments: tuple[Any, ...], context: Context | None
    ) -> None:
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments
        self.context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self.callback, self.arguments = None, ()

    def cancelled(self) -> bool:
        return self.is_cancelled


class VirtualTimer(VirtualHandle):
    """One call at a time to come, among the `timers` of its loop until then."""

    __slots__ = ("_due", "_timers")

    def __init__(
        self,
        due: float,
        timers: dict[VirtualTimer, None],
        callback: Callable[..., object],
        arguments: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        super().__init__(callback, arguments, context)
        self._due = due
        self._timers = timers
        timers[self] = None

    def when(self) -> float:
        return self._due

    def cancel(self) -> None:
        super().cancel()
        self._timers.pop(self, None)


class NumberedTask(asyncio.Task[Any]):
    """A task that sets hold in the order of its making, in every run the same."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **named: Any) -> None:
        self._number = number
        super().__init__(coro, **named)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.AbstractEventLoop):
    """What asyncio and a node need of a loop.

    A call that is made `soon` is made in the same moment, or `turn_s` later in the next turn: then
    others can come in between. `timers` and `tasks` are those that live. What nobody caught goes to
    `on_fault`. While it stalls, and once it is dead, nothing of it is called.
    """

    def __init__(
        self,
        timeline: Timeline,
        on_fault: Callable[[dict[str, Any]], None],
        *,
        turn_s: float = 0.0,
        timers_first: bool = True,
    ) -> None:
        self.timers: dict[VirtualTimer, None] = {}
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.stalls: deque[tuple[float, float]] = deque(maxlen=MOST_STALLS)  # from and to
        self.is_dead = False
        self.is_busy = False  # stalling, or between two turns
        self._timeline = timeline
        self._on_fault = on_fault
        self._turn_s = turn_s
        self._timers_first = timers_first
        self._ready: deque[VirtualHandle] = deque()
        self._numbers = count()
        self._is_stalled = False
        self._late_timers: list[VirtualTimer] = []
        self._late_reads: dict[Callable[[], None], None] = {}

    # -- entered from the timeline ---------------------------------------------------------

    def enter(self, action: Callable[..., object], *arguments: Any) -> None:
        """Have something from outside happen, as soon as the loop has its turn."""
        if self.is_dead:
            return
        if self.is_busy:
            self.call_soon(action, *arguments)
            return
        if self._timeline.loop is not self:
            self._take_over()
        action(*arguments)
        if self._ready:
            self._turn()

    def _take_over(self) -> None:
        """Be the loop that runs, as far as asyncio knows."""
        self._timeline.loop = self
        asyncio._set_running_loop(self)  # noqa: SLF001 (asyncio's own name for loops to use)

    def read_when_free(self, read: Callable[[], None]) -> None:
        """Call `read` in the first turn after what keeps the loop busy now; twice asked is once."""
        self._late_reads[read] = None
        if not self._is_stalled:
            self.call_soon(self._read)

    def _read(self) -> None:
        reads, self._late_reads = self._late_reads, {}
        for read in reads:
            read()

    def stall(self, for_s: float) -> None:
        """Block: what becomes due in the next `for_s` happens at their end, all at once."""
        if self._is_stalled or self.is_dead:
            return
        self._is_stalled = self.is_busy = True
        now = self._timeline.now
        self.stalls.append((now, now + for_s))
        self._timeline.at(now + for_s, self._wake)

    def stalled_s(self, since: float) -> float:
        """Return how much of the time from `since` until now it was blocked."""
        now = self._timeline.now
        return sum(max(0.0, min(to, now) - max(since, begin)) for begin, to in self.stalls)

    def stalls_since(self, since: float) -> int:
        """Return how many times it was blocked after `since`."""
        return sum(to > since for _, to in self.stalls)

    def _wake(self, _: None) -> None:
        if self.is_dead:
            return
        self._is_stalled = False
        late, self._late_timers = self._late_timers, []
        if self._timers_first:  # libuv looks at timers first, asyncio at sockets
            self._ready.extend(late)
        if self._late_reads:
            self.call_soon(self._read)
        if not self._timers_first:
            self._ready.extend(late)
        self._turn()

    def _fire(self, timer: VirtualTimer) -> None:
        if timer.is_cancelled or self.is_dead:
            return
        if self._is_stalled:
            self._late_timers.append(timer)
            return
        self._ready.append(timer)
        if not self.is_busy:
            self._turn()

    def _next_turn(self, _: None) -> None:
        if not (self._is_stalled or self.is_dead):
            self._turn()

    def _turn(self) -> None:
        if self._timeline.loop is not self:
            self._take_over()
        ready, timers = self._ready, self.timers
        calls = len(ready) if self._turn_s else MOST_CALLS
        while ready:
            if not calls:
                break
            calls -= 1
            handle = ready.popleft()
            if handle.is_cancelled:
                continue
            timers.pop(handle, None)  # type: ignore[call-overload]
            context, callback = handle.context, handle.callback
            try:
                if context is None:
                    callback(*handle.arguments)  # type: ignore[misc]
                else:
                    context.run(callback, *handle.arguments)  # type: ignore[arg-type]
            except Exception as error:  # noqa: BLE001 (as every loop does)
                self.call_exception_handler({"message": "a callback failed", "exception": error})
        self.is_busy = bool(ready)
        if ready:
            if not self._turn_s:
                raise RuntimeError(f"not at rest after {MOST_CALLS} calls")
            self._timeline.at(self._timeline.now + self._turn_s, self._next_turn)

    def kill(self) -> None:
        """Be gone as a killed process is: what waits is never called, tasks never go on."""
        self.is_dead = True
        if self._timeline.loop is self:
            self._timeline.loop = None
            asyncio._set_running_loop(None)  # noqa: SLF001 (see above)
        self._ready.clear()
        self.timers.clear()
        self._late_reads.clear()
        tasks, self.tasks = self.tasks, {}
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
            # One that is closed still runs its `finally`; on a dead loop that moves nothing.
            with suppress(BaseException):
                _close(cast("Coroutine[Any, Any, Any]", task.get_coro()))

    # -- what asyncio asks for -------------------------------------------------------------

    def time(self) -> float:
        return self._timeline.now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> VirtualHandle:
        handle = VirtualHandle(callback, args, context)
        if not self.is_dead:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> VirtualTimer:
        timer = VirtualTimer(when, self.timers, callback, args, context)
        if self.is_dead:
            timer.cancel()
        else:
            self._timeline.at(max(when, self._timeline.now), self._fire, timer)
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> VirtualTimer:
        return self.call_at(self._timeline.now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = NumberedTask(
            next(self._numbers), coro, loop=self, name=name, context=context or copy_context()
        )
        if self.is_dead:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
            _close(coro)
        else:
            self.tasks[task] = None
            task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)

    def run_in_executor(  # type: ignore[override]
        self, executor: Worker, func: Callable[..., object], *args: Any
    ) -> asyncio.Future[Any]:
        return executor.perform(self, func, args)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.is_dead

    def is_closed(self) -> bool:
        return self.is_dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_dead:
            self._on_fault(context)


def _close(work: Coroutine[Any, Any, Any]) -> None:
    """Close a coroutine and, when it never began, those that it was to await."""
    if inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
        for value in inspect.getcoroutinelocals(work).values():
            if inspect.iscoroutine(value):
                _close(value)
    work.close()
