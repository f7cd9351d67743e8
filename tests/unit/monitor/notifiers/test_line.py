from __future__ import annotations

import asyncio
import json
from io import StringIO

from keepline.clock import ManualClock
from keepline.log import Log
from keepline.monitor.alerts.alert import Notice
from keepline.monitor.notifiers.line import MOST_WAITING, Line
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
        self.line = Line("slow", self._tell, timeout_s=timeout_s, log=log)

    async def _tell(self, told: Notice) -> None:
        if self.fails:
            raise ValueError("broken")
        await self.go.wait()
        self.heard.append(told.alert.number)

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.line.put(notice(number=number))

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


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
    assert (len(slow.line), slow.line.dropped) == (MOST_WAITING, 5)
    slow.go.set()
    await slow.line.stop(5)
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
    told = [(line["notifier"], line["number"], line["problem"]) for line in slow.logged()]
    assert told == [("slow", 1, "not done within 0.02 s"), ("slow", 2, "ValueError: broken")]


async def test_an_end_waits_no_longer_than_it_may() -> None:
    slow = Slow()
    slow.put(1, 2)
    await slow.line.stop(0.02)
    assert slow.heard == []
    assert slow.line.dropped == 2
    assert len(asyncio.all_tasks()) == 1
