from __future__ import annotations

import asyncio
from io import StringIO

from keepline.clock import ManualClock
from keepline.log import Log
from keepline.monitor.alerts.alert import Notice
from keepline.monitor.notifiers.callbacks import Callbacks
from tests.unit.monitor.notifiers.notices import notice
from tests.waiting import eventually


def made(lines: StringIO) -> Callbacks:
    return Callbacks(timeout_s=0.05, log=Log(lines, ManualClock(), style="json"))


async def test_plain_and_async_functions_are_called_and_one_that_raises_costs_nobody() -> None:
    lines, heard = StringIO(), list[tuple[str, int]]()

    def plain(told: Notice) -> None:
        heard.append(("plain", told.alert.number))

    async def slow(told: Notice) -> None:
        await asyncio.sleep(0)
        heard.append(("slow", told.alert.number))

    def broken(told: Notice) -> None:
        raise ValueError(f"cannot stand {told.alert.number}")

    callbacks = made(lines)
    for each in (broken, plain, slow):
        callbacks.add(each)
    callbacks.tell(notice())
    assert heard == []  # not within whatever raised it
    await eventually(lambda: heard == [("plain", 7), ("slow", 7)])
    assert lines.getvalue().count("alert_callback_failed") == 1


async def test_one_that_hangs_is_given_up() -> None:
    lines, heard = StringIO(), list[int]()

    async def hang(_told: Notice) -> None:
        await asyncio.Event().wait()

    callbacks = made(lines)
    callbacks.add(hang)
    callbacks.add(lambda told: heard.append(told.alert.number))
    callbacks.tell(notice(number=1))
    callbacks.tell(notice(number=2))
    await eventually(lambda: heard == [1, 2])
    await callbacks.stop(5)
    assert lines.getvalue().count("not done within 0.05 s") == 2


async def test_nobody_to_call_is_no_task() -> None:
    callbacks = made(StringIO())
    callbacks.tell(notice())
    assert len(asyncio.all_tasks()) == 1
    await callbacks.stop(1)
