"""The disk of a node, and the one thread that writes to it: slow, in trouble, never half done."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from keepline.hub.database import Database

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from random import Random

    from keepline.simulation.loop import VirtualLoop
    from keepline.simulation.timeline import Timeline


class _Work(NamedTuple):
    loop: VirtualLoop
    function: Callable[..., object]
    arguments: tuple[object, ...]
    future: asyncio.Future[object]
    done: tuple[object, BaseException | None] | None


class Disk:
    """Outlives its nodes. `takes_s` is how long a transaction takes, from and to.

    Whether one that was under way when its node was killed has been done is drawn.
    """

    def __init__(self, timeline: Timeline, random: Random, takes_s: tuple[float, float]) -> None:
        self.database = Database(None)
        self.takes_s = takes_s
        self.locked_until = 0.0
        self.trouble_at = 0.0  # when it was last slow or locked
        self._under_way: _Work | None = None
        self._timeline = timeline
        self._random = random

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is under way, and none fails."""
        under_way = self._under_way
        is_busy = under_way is not None and not under_way.loop.is_dead
        return not is_busy and self._timeline.now >= self.locked_until

    def close(self) -> None:
        """Forget everything."""
        self.database.close()

    def lock(self, until: float) -> None:
        """Have every transaction fail until then."""
        self.locked_until = self.trouble_at = until

    def perform(
        self, loop: VirtualLoop, function: Callable[..., object], arguments: tuple[Any, ...]
    ) -> asyncio.Future[object]:
        """Do a transaction; see `loop.Worker`."""
        future: asyncio.Future[object] = loop.create_future()
        work = _Work(loop, function, arguments, future, None)
        if self._random.random() < 0.5:  # noqa: PLR2004 (a coin)
            work = work._replace(done=self._do(work))
        self._under_way = work
        takes_s = self._random.uniform(*self.takes_s)
        self._timeline.at(self._timeline.now + takes_s, self._finish, work)
        return future

    def _finish(self, work: _Work) -> None:
        if work.loop.is_dead:
            return
        self._under_way = None
        value, error = work.done or self._do(work)
        if error is None:
            work.loop.enter(_settle, work.future, value)
        else:
            work.loop.enter(_fail, work.future, error)

    def _do(self, work: _Work) -> tuple[object, BaseException | None]:
        # Closing is the node's wish, but the database is the disk's: another node will use it.
        if work.function == self.database.close:
            return None, None
        if self._timeline.now < self.locked_until:
            return None, sqlite3.OperationalError("database is locked")
        try:
            return work.function(*work.arguments), None
        except sqlite3.Error as error:
            return None, error


def _settle(future: asyncio.Future[object], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[object], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
