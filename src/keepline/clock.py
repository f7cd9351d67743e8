"""The one place where time is read. Everything below `app` is handed a `Clock`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """Readings in seconds: `now` never steps and is for durations, `wall` is for records.

    `cpu` is what this process has used of its processors, `thread_cpu` the thread that asks. They
    are attributes holding a callable, so that the system's reading costs no Python frame.
    """

    now: Callable[[], float]
    wall: Callable[[], float]
    cpu: Callable[[], float]
    thread_cpu: Callable[[], float]


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ("cpu", "now", "thread_cpu", "wall")

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.monotonic
        self.wall: Callable[[], float] = time.time
        self.cpu: Callable[[], float] = time.process_time
        self.thread_cpu: Callable[[], float] = time.thread_time


class ManualClock:
    """A clock that moves only when told to."""

    __slots__ = ("_now", "_wall_offset", "cpu", "now", "thread_cpu", "wall")

    def __init__(self, now: float = 1_000.0, wall: float = 1_800_000_000.0) -> None:
        self._now = now
        self._wall_offset = wall - now
        self.now: Callable[[], float] = lambda: self._now
        self.wall: Callable[[], float] = lambda: self._now + self._wall_offset
        self.cpu: Callable[[], float] = lambda: 0.0
        self.thread_cpu: Callable[[], float] = lambda: 0.0

    def advance(self, by_s: float) -> float:
        """Move both readings forward by `by_s` and return the new `now`."""
        if by_s < 0:
            raise ValueError("time does not run backwards")
        self._now += by_s
        return self._now

    def step_wall(self, by_s: float) -> None:
        """Step the wall clock alone, as an NTP correction does."""
        self._wall_offset += by_s
