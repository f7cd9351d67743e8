"""One slot, with processes that end as they are told to."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from keepline.app.workers.keeper import Keeper
from keepline.clock import ManualClock
from keepline.log import Log
from tests.unit.gateway.fakes import settle
from tests.waiting import eventually


class Stand:
    """A process that becomes ready, and ends, when the test says so."""

    def __init__(self, ended: str) -> None:
        self.told_ended = ended
        self.pid = 4_711
        self.sent: list[signal.Signals] = []
        self.on_ready: Callable[[], None] = lambda: None
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self, on_ready: Callable[[], None]) -> int:
        self.on_ready = on_ready
        return await self._end

    def send(self, number: signal.Signals) -> None:
        self.sent.append(number)

    def ends(self, status: int) -> None:
        self._end.set_result(status)

    def fails(self, error: Exception) -> None:
        self._end.set_exception(error)


class Slot:
    def __init__(self) -> None:
        self.processes: list[Stand] = []
        self.cleaned = 0
        self.on_ended: Callable[[], object] = lambda: None
        self.said = io.StringIO()
        clock = ManualClock()
        log = Log(self.said, clock, style="json")
        self.keeper = Keeper(2, self._make, self._clean_up, clock=clock, log=log)
        self.task = asyncio.ensure_future(self.keeper.run())

    def _make(self, ended: str) -> Any:
        self.processes.append(Stand(ended))
        return self.processes[-1]

    def _clean_up(self) -> None:
        self.cleaned += 1
        self.on_ended()

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.said.getvalue().splitlines()]

    async def after(self, count: int) -> Stand:
        """Wait for so many processes in all; return the last."""
        await eventually(lambda: len(self.processes) >= count)
        await settle()
        return self.processes[-1]


@pytest.fixture
async def slot(monkeypatch: pytest.MonkeyPatch) -> Slot:
    monkeypatch.setattr("keepline.app.workers.backoff.FIRST_S", 0.0)
    return Slot()


async def test_one_that_is_killed_is_started_again_and_told_how_it_ended(slot: Slot) -> None:
    first = await slot.after(1)
    first.on_ready()
    first.ends(-signal.SIGKILL)
    second = await slot.after(2)
    assert (first.told_ended, second.told_ended) == ("", "signal SIGKILL")
    assert slot.cleaned == 1
    assert slot.events() == ["worker_ready", "worker_ended"]
    second.ends(0)
    await slot.task


async def test_one_that_leaves_as_it_was_asked_is_let_go(slot: Slot) -> None:
    first = await slot.after(1)
    first.on_ready()
    first.ends(0)
    await slot.task
    assert (len(slot.processes), slot.keeper.status) == (1, 0)


async def test_one_that_was_never_ready_is_not_tried_again(slot: Slot) -> None:
    (await slot.after(1)).ends(2)
    await slot.task
    assert (slot.keeper.was_ready, slot.keeper.status) == (False, 2)
    assert slot.keeper.ready.is_set()  # nobody waits for it any longer


async def test_one_that_is_told_to_leave_before_it_could_listen_has_left(slot: Slot) -> None:
    first = await slot.after(1)
    slot.keeper.leave()
    assert first.sent == [signal.SIGTERM]
    first.ends(-signal.SIGTERM)
    await slot.task
    assert slot.keeper.status == 0


async def test_told_to_leave_while_nothing_runs_it_starts_nothing(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepline.app.workers.backoff.Backoff.after", lambda *_: 600.0)
    first = await slot.after(1)
    first.on_ready()
    first.ends(-signal.SIGKILL)
    await settle()
    slot.keeper.leave()
    await slot.task
    assert (len(slot.processes), slot.keeper.status) == (1, 0)


async def test_one_that_cannot_be_started_again_is_tried_until_it_can(slot: Slot) -> None:
    first = await slot.after(1)
    first.on_ready()
    first.ends(-signal.SIGKILL)
    (await slot.after(2)).fails(OSError(errno.EMFILE, "Too many open files"))
    assert await slot.after(3)
    assert "worker_not_started" in slot.events()
    slot.keeper.leave()
    slot.processes[-1].ends(0)
    await slot.task


async def test_told_to_leave_when_the_wait_is_just_over_none_is_started(slot: Slot) -> None:
    first = await slot.after(1)
    first.on_ready()
    slot.on_ended = lambda: asyncio.get_running_loop().call_soon(slot.keeper.leave)
    first.ends(-signal.SIGKILL)
    await settle()
    assert len(slot.processes) == 1
    await slot.task
