"""A loop on which no test waits: when nothing is ready its clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from keepline.clock import ManualClock

BEGAN_AT_S = 1_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is its own."""

    def __init__(self) -> None:
        self.reading = BEGAN_AT_S
        super().__init__(JumpingSelector(self))

    def time(self) -> float:
        return self.reading


class JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing will ever happen any more"
        self.loop.reading += timeout
        return super().select(0)


class LoopClock(ManualClock):
    """Reads the running loop's time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = asyncio.get_running_loop().time


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine test on a loop of its own that never waits."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*arguments, **named))

    return run


async def pass_time(for_s: float) -> None:
    """Let `for_s` of the loop's own time pass; nobody waits."""
    await asyncio.sleep(for_s)


def passed_s() -> float:
    """Return how long the running test has taken in its own time."""
    return round(asyncio.get_running_loop().time() - BEGAN_AT_S, 6)
