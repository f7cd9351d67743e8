"""An event loop whose time stands still until it is moved."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from math import inf
from typing import Any

from keepline.clock import ManualClock
from keepline.errors import StartError

MOST_THREADS = 32
MOST_TURNS = 100_000
"""A loop that has not come to rest by then never does."""

THREAD_LOOK_S = 0.001
THREAD_GRACE_S = 0.05
"""Real time in which a thread has to move; else it waits for what only the test can bring.

What the machine takes until a thread begins does not count.
"""


class MovedTime:
    """Takes over the time of the running loop from `start` to `stop`.

    What sleeps, times out or calls later on the loop does so in this time, whoever asked for it.
    Nothing else of the loop is touched.
    """

    def __init__(self) -> None:
        """Raise StartError on a loop whose time cannot be moved."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.BaseEventLoop):
            raise StartError(
                f"the time of a {type(loop).__module__} loop cannot be moved",
                "run tests with a Stage on asyncio's own loop",
            )
        if "time" in vars(loop):
            raise StartError("this loop has a Stage already", "let one more device come to it")
        self._loop: Any = loop  # of which two private names are read
        self.clock = ManualClock(now=loop.time())
        self.threads = CountedThreads()

    def start(self) -> None:
        """Stop the time."""
        self._loop.time = self.clock.now

    def stop(self) -> None:
        """Let time go on as it does elsewhere."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        del self._loop.time

    async def advance(self, by_s: float) -> None:
        """Move time, from one deadline to the next, and let happen what is due at each."""
        clock = self.clock
        target = clock.now() + by_s
        await self.settle()
        while (due := self._next_due()) <= target:
            clock.advance(max(0.0, due - clock.now()))
            await self.settle()
        clock.advance(max(0.0, target - clock.now()))
        await self.settle()

    async def settle(self) -> None:
        """Return when nothing can go on without time, or without somebody outside."""
        patience = int(THREAD_GRACE_S / THREAD_LOOK_S)
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            if self._loop._ready:  # noqa: SLF001 (nothing public tells it)
                patience = int(THREAD_GRACE_S / THREAD_LOOK_S)
            elif not self.threads.busy or not patience:
                return
            else:
                patience -= 0 if self.threads.late else 1
                self.threads.changed.wait(THREAD_LOOK_S)
        raise RuntimeError("the handler never comes to rest: let it await what takes time")

    def _next_due(self) -> float:
        scheduled = self._loop._scheduled  # noqa: SLF001 (nothing public tells it)
        return min((handle.when() for handle in scheduled if not handle.cancelled()), default=inf)


class CountedThreads(ThreadPoolExecutor):
    """Threads for blocking handlers, of which it is known how many are at work."""

    def __init__(self) -> None:
        super().__init__(MOST_THREADS, thread_name_prefix="keepline-stage")
        self.changed = threading.Event()
        self._counting = threading.Lock()
        self._given = self._begun = self._over = 0

    @property
    def busy(self) -> int:
        """How many calls are not over, with everybody told who waits for one."""
        return self._given - self._over

    @property
    def late(self) -> bool:
        """Whether a thread that is free has not come to its call yet."""
        return self._given > self._begun and self._begun - self._over < MOST_THREADS

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """Run `function` in a thread."""
        # A future's own callbacks would count a call as over before the loop is told.
        told: Future[Any] = Future()
        self._given += 1
        work = super().submit(self._work, told, partial(function, *arguments, **named))
        work.add_done_callback(partial(self._on_over, told))
        return told

    def _work(self, told: Future[Any], function: Any) -> None:
        with self._counting:
            self._begun += 1
        if not told.set_running_or_notify_cancel():
            return
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 (it is told)
            told.set_exception(error)
            del told  # the error holds this frame
        else:
            told.set_result(result)

    def _on_over(self, told: Future[Any], work: Future[Any]) -> None:
        if work.cancelled():
            told.cancel()
        with self._counting:
            self._over += 1
        self.changed.set()
        self.changed.clear()
