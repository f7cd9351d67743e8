"""Waiting for what happens soon on real sockets, with a deadline instead of a guess.

A machine that stands still is no failure of what is waited for: only the time counts in which
the loop could run. So a bound may be as narrow as what it is about, and holds on a busy machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

EVERY_S = 0.005
MOST_S = 0.05  # what counts of the time between two looks, however long it was
PATIENCE_S = 15.0  # for what comes at once, on a machine that has other things to do
ANSWER_S = 60.0  # for clients whose own bound counts all time


class Watch:
    """Counts the time of the running loop, without that in which it stood still."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._counted_s = 0.0
        self._looked_at = self._loop.time()

    def look(self) -> float:
        """Return how many seconds have been counted. It has to be asked often: see `MOST_S`."""
        now = self._loop.time()
        self._counted_s += min(now - self._looked_at, MOST_S)
        self._looked_at = now
        return self._counted_s


async def eventually(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Return as soon as `condition` holds. Fails the test when it does not within `within_s`."""
    watch = Watch()
    while not condition():
        assert watch.look() < within_s, f"did not come true within {within_s} s"
        await asyncio.sleep(EVERY_S)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[Watch]:
    """Have the block take no longer. Raises TimeoutError. Its watch can be asked at any time."""
    watch, loop = Watch(), asyncio.get_running_loop()
    next_look: asyncio.TimerHandle
    async with asyncio.timeout(None) as bound:

        def look() -> None:
            nonlocal next_look
            if watch.look() < seconds:
                next_look = loop.call_later(EVERY_S, look)
            else:
                bound.reschedule(loop.time())

        next_look = loop.call_later(EVERY_S, look)
        try:
            yield watch
        finally:
            next_look.cancel()


async def settled(value: Callable[[], object], *, for_s: float = 0.3) -> None:
    """Return once `value` has stayed the same for that long."""
    before, watch = value(), Watch()
    async with within(PATIENCE_S):
        while watch.look() < for_s:
            await asyncio.sleep(EVERY_S)
            if (now := value()) != before:
                before, watch = now, Watch()
