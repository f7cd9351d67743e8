"""Looks at a node every few seconds, remembers what it saw, and tells who wants to know."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.errors import HubDownError
from keepline.monitor.gauges import Gauge
from keepline.monitor.rates import Rates, Usage
from keepline.monitor.rings import MINUTE_S, Rings
from keepline.monitor.sample import Sample, in_order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Executor

    from keepline.clock import Clock
    from keepline.hub.port import Hub, Row
    from keepline.log import Log
    from keepline.monitor.metrics import Counters
    from keepline.monitor.process.reading import Reader, Reading
    from keepline.reasons import CloseReason

AVERAGED: Final = 60
"""So many samples are what `lately` means: five minutes of them."""


class Watched(NamedTuple):
    """The node as its sampler sees it; `look_around` says by gauge what only the node can count.

    Every `one_in`-th sample is taken, the others are left out.
    """

    counters: Counters
    hub: Hub
    look_around: Callable[[], Awaitable[Mapping[Gauge, float | None]]]
    reader: Reader
    one_in: Callable[[], int] = lambda: 1


class Sampler:
    """Takes a sample at each multiple of `interval_s` of wall time, from `start` to `stop`.

    `latest` is the last one, `rings` what was before, `endings` what has ended in the last AVERAGED
    of them. Who is in `on_sample` is called with each, on the loop, in order; one that raises costs
    nobody else.
    """

    def __init__(
        self,
        watched: Watched,
        *,
        interval_s: float,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        executor: Executor | None,
        log: Log,
    ) -> None:
        self.interval_s = interval_s
        self.rings = Rings(interval_s)
        self.latest: Sample | None = None
        self.on_sample: list[Callable[[Sample], None]] = []
        self.endings: deque[Mapping[CloseReason, int]] = deque(maxlen=AVERAGED)
        self.reading: Reading | None = None  # of the process, from the start on
        self._left_out = 0  # since the last that was not
        self._keeps = True
        self.missed = 0  # since the sample before was not through
        self._watched = watched
        self._clock = clock
        self._loop = loop
        self._executor = executor
        self._log = log
        self._rates = Rates(watched.counters, clock.now(), watched.hub.writing())
        self._usage = Usage()
        self._unsaved: list[Row] = []
        self._save_at = self._read_slowly_at = clock.now()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what a former life has left in the hub, and look from now on."""
        try:
            self.rings.load(await self._watched.hub.rows(), self._clock.wall())
        except HubDownError as error:
            self._log.warning("series_unreadable", error=error)
        await self._read(slow=True)
        now = self._clock.now()
        self._read_slowly_at = now + MINUTE_S
        self._rates = Rates(self._watched.counters, now, self._watched.hub.writing())
        self._arm()

    async def stop(self) -> None:
        """Look no more, and leave what was seen to the hub; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._unsaved += self.rings.close()
        self._save()

    def leave(self) -> None:
        """Leave what was seen to the hub, and nothing more: another process keeps what it sees."""
        self._save()
        self._keeps = False

    def stay(self) -> None:
        """Keep what is seen again: there is no other process."""
        self._keeps = True

    def _arm(self) -> None:
        # At multiples of the interval: a timer that each time is a little late would skip one.
        wait_s = self.interval_s - self._clock.wall() % self.interval_s
        if wait_s < self.interval_s / 2:
            wait_s += self.interval_s
        self._timer = self._loop.call_later(wait_s, self._begin)

    def _begin(self) -> None:
        self._arm()
        self._left_out += 1
        if self._left_out < self._watched.one_in():
            return
        self._left_out = 0
        if self._task is not None:
            self.missed += 1
            return
        self._task = self._loop.create_task(self._take())
        self._task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("sample_failed", error=error)

    async def _take(self) -> None:
        at, now = self._clock.wall(), self._clock.now()
        slow = now >= self._read_slowly_at
        if slow:
            self._read_slowly_at = now + MINUTE_S
        rates, endings = self._rates.since(now, self._watched.hub.writing())
        seen = await self._watched.look_around()
        usage = await self._read(slow=slow)
        found = _not_above_the_most({**rates, **usage, **seen})
        self._keep(Sample(at, in_order(found), endings), now)

    async def _read(self, *, slow: bool) -> dict[Gauge, float | None]:
        """Have the process read by another thread; return what it has used since the last time."""
        read = partial(self._watched.reader.read, slow=slow)
        self.reading = reading = await self._loop.run_in_executor(self._executor, read)
        return self._usage.since(self._clock.now(), reading)

    def _keep(self, sample: Sample, now: float) -> None:
        self.latest = sample
        self.endings.append(sample.endings)
        self._unsaved += self.rings.add(sample)
        if now >= self._save_at:
            self._save_at = now + MINUTE_S
            self._save()
        for tell in tuple(self.on_sample):
            try:
                tell(sample)
            except Exception as error:  # noqa: BLE001 (one of several who listen)
                self._log.error("sample_listener_failed", error=error)

    def _save(self) -> None:
        """Give the hub what it does not have yet; once a minute, so a kill costs that much."""
        rows, self._unsaved = self._unsaved, []
        if rows and self._keeps:
            self._watched.hub.keep_rows(rows, self.rings.kept)


def _not_above_the_most(found: dict[Gauge, float | None]) -> dict[Gauge, float | None]:
    """Bound the quantiles of lateness by its exact most: they are as wide as their bucket is."""
    most = found.get(Gauge.LOOP_LAG_MAX_S)
    for gauge in (Gauge.LOOP_LAG_P50_S, Gauge.LOOP_LAG_P95_S):
        value = found.get(gauge)
        if value is not None and most is not None:
            found[gauge] = min(value, most)
    return found
