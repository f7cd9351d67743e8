"""Group commit: what is asked for within a few milliseconds goes into one transaction.

So does what comes while one is under way, and as shortly after: they run one at a time, in the
order of asking. One that fails (locked, disk full) is tried again until it succeeds, so what was
taken is done some day or the process ends first; what can no longer be taken is refused at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias

from keepline.errors import HubDownError
from keepline.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from keepline.hub.database import Database
    from keepline.hub.operations import Operation

MOST_AT_ONCE: Final = 500  # operations in one transaction: about 5 ms
GATHER_S: Final = 0.003  # a transaction of its own costs ten times a share in one
RETRY_FIRST_S: Final = 0.05
RETRY_MOST_S: Final = 5.0
# From a commit on a fast disk to a device that has given up its hello.
LATENCY_BOUNDS_S: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PATIENCE_S: Final = 2.0
"""A device waits 10 s for its hello, an operator not much longer for an answer."""

EVENTS: Final = 0.75
"""The share of what may wait that is for what can be missed: events, which are told to nobody."""

ALL: Final = 1.0

# Since when on the loop's clock, what it takes, and who wants to know what came of it.
_Waiting: TypeAlias = "tuple[float, int, Operation, asyncio.Future[object] | None]"


class Writer:
    """The one that writes. `trouble` is the error of the last transaction, None when it went well.

    At most `most_waiting` operations of `most_bytes` in all wait, of events a part of that.
    """

    def __init__(
        self,
        database: Database,
        *,
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
        on_trouble: Callable[[Exception | None], None],
        most_waiting: int = 65_536,
        most_bytes: int = 67_108_864,
    ) -> None:
        self.trouble: Exception | None = None
        self.written = 0
        self.latency = Histogram(LATENCY_BOUNDS_S)  # from asking to commit
        self._database = database
        self._loop = loop
        self._executor = executor
        self._on_trouble = on_trouble
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._under_way: asyncio.Future[list[object]] | None = None
        self._start: asyncio.TimerHandle | None = None  # of the next transaction
        self._retry_s = RETRY_FIRST_S
        self._is_stopped = False
        self._impatient: deque[tuple[float, asyncio.Future[object]]] = deque()
        self._watch: asyncio.TimerHandle | None = None  # one for all who are not patient
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """What waits takes."""
        return self._waiting_bytes

    def ask(self, operation: Operation, *, patient: bool = True) -> asyncio.Future[object]:
        """Take one operation; the future has what it returns or raises. Raises HubDownError.

        Who is not `patient` gets HubDownError after `PATIENCE_S`. That, or to cancel the future,
        changes nothing for the operation: it will be done.
        """
        future: asyncio.Future[object] = self._loop.create_future()
        if not self._take(operation, future, ALL):
            raise HubDownError(f"no room: {len(self._waiting)} writes wait already")
        if not patient:
            self._impatient.append((self._loop.time() + PATIENCE_S, future))
            if self._watch is None:
                self._watch = self._loop.call_later(PATIENCE_S, self._lose_patience)
        return future

    def note(self, operation: Operation, share: float = EVENTS) -> bool:
        """Take one that nobody waits for; False when there is no room."""
        return self._take(operation, None, share)

    async def look(self, read: Operation) -> object:
        """Run a read behind everything asked for before it. Raises HubDownError."""
        if self.trouble is not None:
            raise HubDownError(f"the store cannot be used: {self.trouble}")
        return await self.ask(read, patient=False)

    async def flush(self, within_s: float) -> int:
        """Wait until everything asked for is done; return how many are not after `within_s`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), within_s)
        return len(self._waiting)

    def stop(self) -> None:
        """Take and try nothing any more; who still waits gets HubDownError."""
        self._is_stopped = True
        for timer in (self._start, self._watch):
            if timer is not None:
                timer.cancel()
        for _, _, _, future in self._waiting:
            if future is not None and not future.done():
                _settle(future, HubDownError("the hub has stopped"))
        self._waiting.clear()
        self._idle.set()

    def _take(
        self, operation: Operation, future: asyncio.Future[object] | None, share: float
    ) -> bool:
        """Have it wait, unless as much waits already; `share` is of what may."""
        size_bytes = operation.size_bytes
        if (
            self._is_stopped
            or len(self._waiting) >= self._most_waiting * share
            or self._waiting_bytes + size_bytes > self._most_bytes * share
        ):
            return False
        if not self._waiting:
            self._idle.clear()
            if self._start is None:
                self._start = self._loop.call_later(GATHER_S, self._begin)
        self._waiting.append((self._loop.time(), size_bytes, operation, future))
        self._waiting_bytes += size_bytes
        return True

    def _begin(self) -> None:
        self._start = None
        batch = list(islice(self._waiting, MOST_AT_ONCE))
        operations = [operation for _, _, operation, _ in batch]
        self._under_way = self._loop.run_in_executor(
            self._executor, self._database.apply, operations
        )
        self._under_way.add_done_callback(lambda done: self._after(batch, done))

    def _after(self, batch: list[_Waiting], done: asyncio.Future[list[object]]) -> None:
        self._under_way = None
        error = done.exception() if not done.cancelled() else asyncio.CancelledError()
        if self._is_stopped:
            return
        if error is not None:
            self._try_again(error)
            return
        self._count(batch)
        for (_, _, _, future), result in zip(batch, done.result(), strict=True):
            self._waiting.popleft()
            if future is not None and not future.done():
                _settle(future, result)
        self._retry_s = RETRY_FIRST_S
        if self.trouble is not None:
            self.trouble = None
            self._on_trouble(None)
        if len(self._waiting) >= MOST_AT_ONCE:
            self._begin()
        elif self._waiting:
            self._start = self._loop.call_later(GATHER_S, self._begin)
        else:
            self._idle.set()

    def _count(self, batch: list[_Waiting]) -> None:
        now = self._loop.time()
        for since, together in groupby(batch, itemgetter(0)):  # mostly of one turn of the loop
            self.latency.observe(now - since, len(list(together)))
        self.written += len(batch)
        self._waiting_bytes -= sum(size_bytes for _, size_bytes, _, _ in batch)

    def _lose_patience(self) -> None:
        self._watch = None
        now = self._loop.time()
        while self._impatient:
            deadline, future = self._impatient[0]
            if not future.done() and deadline > now:
                self._watch = self._loop.call_later(deadline - now, self._lose_patience)
                return
            self._impatient.popleft()
            if not future.done():
                future.set_exception(HubDownError(f"the store does not answer: {self.trouble}"))

    def _try_again(self, error: BaseException) -> None:
        trouble = error if isinstance(error, Exception) else HubDownError("the writer was ended")
        if self.trouble is None or str(self.trouble) != str(trouble):
            self.trouble = trouble
            self._on_trouble(trouble)
        self._start = self._loop.call_later(self._retry_s, self._begin)
        self._retry_s = min(RETRY_MOST_S, self._retry_s * 2)


def _settle(future: asyncio.Future[object], result: object) -> None:
    if isinstance(result, Exception):
        future.set_exception(result)
        future.exception()  # perhaps nobody is left to ask
    else:
        future.set_result(result)
