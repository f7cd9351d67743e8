from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from io import StringIO

import pytest

from keepline.clock import ManualClock
from keepline.log import Log
from keepline.monitor.alerts.alert import Notice
from keepline.monitor.notifiers import notice_queue
from keepline.monitor.notifiers.notice_queue import MOST_WAITING, NoticeQueue
from tests.unit.monitor.notifiers.notices import notice
from tests.waiting import eventually


class Slow:
    """Is told when `go` is set."""

    def __init__(self, timeout_s: float = 60.0) -> None:
        self.go = asyncio.Event()
        self.heard: list[int] = []
        self.lines = StringIO()
        self.fails = False
        log = Log(self.lines, ManualClock(), style="json")
        self.queue = NoticeQueue("slow", self._tell, timeout_s=timeout_s, log=log)

    async def _tell(self, told: Notice) -> None:
        if self.fails:
            raise ValueError("broken")
        await self.go.wait()
        self.heard.append(told.alert.number)

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.queue.put(notice(number=number))

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(each) for each in self.lines.getvalue().splitlines()]


async def test_notices_are_told_in_order_one_at_a_time() -> None:
    slow = Slow()
    slow.put(1, 2, 3)
    await asyncio.sleep(0)
    assert slow.heard == []
    slow.go.set()
    await eventually(lambda: slow.heard == [1, 2, 3])


async def test_the_oldest_goes_when_too_many_wait_and_it_is_told_at_the_end() -> None:
    slow = Slow()
    slow.put(*range(MOST_WAITING + 5))
    assert (len(slow.queue), slow.queue.dropped) == (MOST_WAITING, 5)
    slow.go.set()
    await slow.queue.stop(5)
    assert slow.heard == list(range(5, MOST_WAITING + 5))
    assert slow.logged()[-1]["count"] == 5


async def test_who_takes_too_long_or_fails_costs_one_notice() -> None:
    slow = Slow(timeout_s=0.02)
    slow.put(1)
    await eventually(lambda: len(slow.logged()) == 1)
    slow.fails = True
    slow.put(2)
    await eventually(lambda: len(slow.logged()) == 2)
    slow.fails = False
    slow.go.set()
    slow.put(3)
    await eventually(lambda: slow.heard == [3])
    told = [(each["notifier"], each["number"], each["problem"]) for each in slow.logged()]
    assert told == [("slow", 1, "not done within 0.02 s"), ("slow", 2, "ValueError: broken")]


async def test_an_end_waits_no_longer_than_it_may() -> None:
    slow = Slow()
    slow.put(1, 2)
    await slow.queue.stop(0.02)
    assert slow.heard == []
    assert slow.queue.dropped == 2
    assert len(asyncio.all_tasks()) == 1


async def test_who_cannot_be_ended_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_queue, "END_S", 0.02)
    go = asyncio.Event()

    async def ignores(_told: Notice) -> None:
        while not go.is_set():
            with suppress(asyncio.CancelledError):
                await go.wait()

    log = Log(StringIO(), ManualClock(), style="json")
    stubborn = NoticeQueue("stubborn", ignores, timeout_s=60.0, log=log)
    stubborn.put(notice())
    await asyncio.sleep(0)
    await asyncio.wait_for(stubborn.stop(0.02), 30.0)
    assert stubborn.dropped == 1
    go.set()
    await eventually(lambda: len(asyncio.all_tasks()) == 1)
