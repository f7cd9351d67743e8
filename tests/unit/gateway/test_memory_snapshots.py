"""Snapshots that a session gives while it goes on, beside what its handler saves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World, settle
from tests.unit.gateway.test_memory import Keeping, come


class Counting(Keeping):
    """Saves how much it has heard, once it may."""

    heard = 0

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def text(self, session: Any, message: Any) -> None:  # type: ignore[override]
        await self.go.wait()
        self.heard += 1
        await session.save(b"%d" % self.heard)

    def snapshot(self) -> bytes | None:
        return b"%d" % self.heard


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_what_is_saved_right_after_snapshots_of_an_idle_session_is_not_undone_by_them(
    times: int,
) -> None:
    world = World(Counting)
    life = await come(world)
    life.says('{"type":"listen","state":"detect","text":"first"}')
    for _ in range(times):
        life.session.tell_idle()  # its snapshot is taken between the two
        await settle()
    life.says('{"type":"listen","state":"detect","text":"second"}')
    life.handler.go.set()  # type: ignore[attr-defined]
    for _ in range(5):
        await settle()
    life.session.close(CloseReason.HANDLER_FAILED)
    life.loses_tcp()
    assert (await come(world)).handler.calls[0] == ("restore", b"2")
    assert not world.node.memory._expected


async def test_of_two_snapshots_that_were_asked_for_at_once_the_later_one_is_kept() -> None:
    class Growing(Counting):
        def idle(self, session: Any) -> None:
            self.heard += 1

    world = World(Growing)
    life = await come(world)
    life.says('{"type":"listen","state":"detect","text":"first"}')
    for _ in range(2):
        life.session.tell_idle()
        await settle()
    life.handler.go.set()  # type: ignore[attr-defined]
    for _ in range(5):
        await settle()
    life.session.close(CloseReason.HANDLER_FAILED)
    life.loses_tcp()
    assert (await come(world)).handler.calls[0] == ("restore", b"3")


async def test_a_snapshot_of_an_idle_session_is_newer_than_what_was_saved_before_it() -> None:
    go = asyncio.Event()

    class Saving(Keeping):
        async def text(self, session: Any, message: Any) -> None:  # type: ignore[override]
            await go.wait()
            await session.save(b"older")

    world = World(Saving)
    life = await come(world)
    life.says('{"type":"listen","state":"detect","text":"first"}')
    life.session.tell_idle()  # its snapshot waits for the call that saves
    await settle()
    go.set()
    for _ in range(5):
        await settle()
    life.session.close(CloseReason.HANDLER_FAILED)
    life.loses_tcp()
    assert (await come(world)).handler.calls[0] == ("restore", b"state")


async def test_a_handler_that_is_stuck_is_asked_for_no_more_snapshots_than_its_inbox_takes() -> (
    None
):
    world = World(Counting, inbox={"control_messages": 4})
    life = await come(world)
    life.says('{"type":"listen","state":"detect","text":"first"}')
    for _ in range(10):
        life.session.spawn(life.session.save_snapshot())
        await settle()
    assert life.session.inbox is not None
    assert len(life.session.inbox) == 4
    assert len(world.logged("state_not_saved")) == 1  # of six
    assert life.connection.lifecycle.reason is None
    life.handler.go.set()  # type: ignore[attr-defined]
    for _ in range(5):
        await settle()
    assert not world.node.memory._expected
    await life.session.save_snapshot()
    assert len(world.logged("state_not_saved")) == 1


async def test_an_inbox_that_is_full_once_more_is_told_of_once_more() -> None:
    world = World(Counting, inbox={"control_messages": 1})
    life = await come(world)
    for times in (1, 2):
        life.handler.go.clear()  # type: ignore[attr-defined]
        for text in ("heard", "waits"):
            life.says(f'{{"type":"listen","state":"detect","text":"{text}"}}')
        for _ in range(3):
            await life.session.save_snapshot()
        assert len(world.logged("state_not_saved")) == times
        life.handler.go.set()  # type: ignore[attr-defined]
        for _ in range(5):
            await settle()
        await life.session.save_snapshot()


async def test_who_asks_without_end_for_what_finds_no_room_leaves_others_their_turn() -> None:
    world = World(Counting, inbox={"control_messages": 1})
    life = await come(world)
    for text in ("heard", "waits"):
        life.says(f'{{"type":"listen","state":"detect","text":"{text}"}}')
    others, asked = asyncio.Event(), 0

    async def without_end() -> None:
        nonlocal asked
        while not others.is_set() and asked < 1_000:
            asked += 1
            await life.session.save_snapshot()

    life.session.spawn(without_end())
    world.node.loop.call_soon(others.set)
    await settle()
    assert 1 <= asked < 10
    life.session.close()
