from __future__ import annotations

import sqlite3
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from keepline.simulation.disk import Disk
from keepline.simulation.loop import VirtualLoop
from keepline.simulation.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

TAKES_S = 0.01


class Desk:
    def __init__(self) -> None:
        self.timeline = Timeline()
        self.disk = Disk(self.timeline, Random(1), (TAKES_S, TAKES_S))
        self.loop = VirtualLoop(self.timeline, lambda _: None)  # type: ignore[abstract]
        self.done: list[int] = []

    def ask(self, number: int) -> Any:
        disk: Any = self.disk
        return self.loop.run_in_executor(disk, self.done.append, number)

    def run(self, for_s: float) -> None:
        self.timeline.run(self.timeline.now + for_s, 1_000)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.loop.kill()
    made.disk.close()


def test_work_takes_its_time_and_is_done_once(desk: Desk) -> None:
    future = desk.ask(1)
    desk.run(TAKES_S / 2)
    assert not future.done()
    assert not desk.disk.is_idle
    desk.run(TAKES_S)
    assert future.done()
    assert desk.done == [1]
    assert desk.disk.is_idle


def test_a_locked_disk_does_nothing_and_says_so(desk: Desk) -> None:
    desk.disk.lock(desk.timeline.now + 1.0)
    future = desk.ask(1)
    desk.run(0.5)
    assert isinstance(future.exception(), sqlite3.OperationalError)
    assert desk.done == []


def test_of_what_was_under_way_when_its_node_was_killed_some_is_done(desk: Desk) -> None:
    for number in range(20):
        desk.ask(number)
    desk.loop.kill()
    desk.run(1.0)
    assert 0 < len(desk.done) < 20
