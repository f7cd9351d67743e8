"""Who may begin an upgrade, before any process is started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keepline.app import line
from keepline.app.parts import in_parts
from keepline.app.upgrades import Upgrades
from tests.unit.gateway.drain.leaving import Leaving
from tests.unit.gateway.fakes import World, settle
from tests.unit.gateway.virtual_time import pass_time, virtual

pytestmark = pytest.mark.skipif(not line.is_possible(), reason="sockets as Linux has them")


@virtual
async def test_a_gateway_that_was_told_to_leave_is_not_upgraded_also_before_it_refuses_anybody(
    tmp_path: Path,
) -> None:
    world = Leaving(drain={"unready_s": 5})
    held = os.open(tmp_path, os.O_RDONLY)
    succession: Any = SimpleNamespace(elder=None, directory=held)
    upgrades = Upgrades(succession, world.node, line.listen(held))
    asked = {"version": line.VERSION}
    assert upgrades._why_not(asked) == ""
    world.drain.start("a test")
    await pass_time(1)
    assert not world.node.draining
    assert upgrades._why_not(asked) == "the gateway is leaving"
    world.drain.abort()
    assert upgrades._why_not(asked) == ""
    upgrades.close()
    upgrades.leave_no_file()
    os.close(held)


async def test_an_heir_is_answered_also_where_giving_up_fails(tmp_path: Path) -> None:
    world = World()
    held = os.open(tmp_path, os.O_RDONLY)

    async def fails(_device_id: str) -> None:
        raise ZeroDivisionError

    holder = SimpleNamespace(give_up=fails)
    succession: Any = SimpleNamespace(elder=None, directory=held, holder=holder)
    upgrades = Upgrades(succession, world.node, line.listen(held))
    heard: list[line.Message] = []
    heir: Any = SimpleNamespace(say=heard.append)
    await upgrades._give_up(heir, "device", 7)
    assert heard == [{"told": "given_up", "number": 7}]
    assert world.logged("give_up_failed")
    upgrades.close()
    upgrades.leave_no_file()
    os.close(held)


async def test_an_heir_that_asks_for_operators_is_answered(tmp_path: Path) -> None:
    world = World()
    life = world.connect("one")
    held = os.open(tmp_path, os.O_RDONLY)
    succession: Any = SimpleNamespace(elder=None, directory=held)
    upgrades = Upgrades(succession, world.node, line.listen(held))
    heard: list[line.Message] = []
    heir: Any = SimpleNamespace(say=heard.append)
    upgrades._heir = heir
    for part in in_parts({"what": "kick", "device": "one"}):
        upgrades._on_message(heir, {"ask": "answer", "number": 7, **part})
    await settle()
    assert life.transport.close_code == 4002
    assert [(each["told"], each["number"]) for each in heard] == [("answer", 7)]
    stranger: Any = SimpleNamespace(say=heard.append)
    upgrades._on_message(stranger, {"ask": "answer", "number": 8, **part})
    assert heard[-1]["told"] == "failed"
    upgrades.close()
    upgrades.leave_no_file()
    os.close(held)


class Parting:
    """What is handed over, and whether it was taken back; `written` holds it up until it is set."""

    def __init__(self, directory: int) -> None:
        self.elder = None
        self.directory = directory
        self.done: list[str] = []
        self.error: Exception | None = None
        self.written = asyncio.Event()

    async def part(self) -> None:
        self.done.append("part")
        await self.written.wait()
        if self.error is not None:
            raise self.error

    def stay(self) -> None:
        self.done.append("stay")

    def hand_over(self) -> None:
        self.done.append("hand over")


@pytest.mark.parametrize(
    ("is_there", "is_wanted", "done"),
    [
        (True, True, ["part", "hand over"]),
        (False, True, ["part", "stay"]),
        (True, False, ["part", "stay"]),
    ],
    ids=["taken over", "an heir that has gone", "an upgrade that was undone meanwhile"],
)
async def test_alerts_are_written_before_an_heir_is_told_and_taken_back_where_it_is_not(
    tmp_path: Path, *, is_there: bool, is_wanted: bool, done: list[str]
) -> None:
    world = World()
    held = os.open(tmp_path, os.O_RDONLY)
    parting = Parting(held)
    upgrades = Upgrades(cast("Any", parting), world.node, line.listen(held))
    upgrades._may_take_over = True
    heard: list[line.Message] = []

    def say(message: line.Message) -> bool:
        heard.append(message)
        return is_there

    heir: Any = SimpleNamespace(say=say, pid=7)
    upgrades._heir = heir
    for _ in range(2):  # the second is nothing new
        upgrades._on_message(heir, {"ask": "take_over"})
    await settle()
    assert parting.done == ["part"]
    assert {each["told"] for each in heard} <= {"failed"}
    if not is_wanted:
        upgrades._may_take_over = False
    parting.written.set()
    await settle()
    assert parting.done == done
    assert upgrades.handed_over.is_set() is (done[-1] == "hand over")
    upgrades.close()
    upgrades.leave_no_file()
    os.close(held)


async def test_a_gateway_that_cannot_part_goes_on_and_can_be_upgraded_later(tmp_path: Path) -> None:
    world = World()
    held = os.open(tmp_path, os.O_RDONLY)
    parting = Parting(held)
    upgrades = Upgrades(cast("Any", parting), world.node, line.listen(held))
    upgrades._may_take_over = True
    heir: Any = SimpleNamespace(say=lambda _: True, pid=7)
    upgrades._heir = heir
    parting.error = ZeroDivisionError()
    parting.written.set()
    upgrades._on_message(heir, {"ask": "take_over"})
    await settle()
    assert parting.done == ["part", "stay"]
    assert not upgrades.handed_over.is_set()
    assert world.logged("hand_over_failed")
    parting.error = None
    upgrades._on_message(heir, {"ask": "take_over"})
    await settle()
    assert parting.done == ["part", "stay", "part", "hand over"]
    upgrades.close()
    upgrades.leave_no_file()
    os.close(held)


class Stubborn:
    """A new process that does not get ready, and ends when a test says so."""

    ended = asyncio.Event()
    pid = 7

    def __init__(self, _command: list[str]) -> None:
        self.ended.clear()

    def status(self) -> None:
        return None

    async def end(self) -> None:
        await self.ended.wait()


async def test_a_gateway_that_stops_waits_until_the_heir_that_it_gave_up_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepline.app.upgrades.HeirProcess", Stubborn)
    world = World()
    held = os.open(tmp_path, os.O_RDONLY)
    alone = asyncio.Event()

    async def survive() -> None:
        alone.set()

    succession: Any = SimpleNamespace(elder=None, directory=held, survive=survive)
    upgrades = Upgrades(succession, world.node, line.listen(held))
    told: list[line.Message] = []
    who: Any = SimpleNamespace(say=told.append, is_open=True)
    asked = {"ask": "upgrade", "version": line.VERSION, "patience_s": 0}
    upgrades._on_message(who, asked)
    await settle()  # it was not ready in no time, and is being ended
    upgrades._on_message(who, asked)
    assert [each.get("why") for each in told] == [None, "an upgrade is under way"]
    stop = asyncio.Event()
    stop.set()
    over = asyncio.create_task(upgrades.over(stop))
    await settle()
    assert not over.done()
    Stubborn.ended.set()
    assert await over is False
    assert told[-1]["why"] == "the new process was not ready within 0 s"
    await settle()
    assert alone.is_set()
    upgrades.close()
    upgrades.leave_no_file()
    os.close(held)
