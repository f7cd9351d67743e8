from __future__ import annotations

import asyncio
from concurrent.futures import Future

from keepline.gateway.isolation.strays import PATIENCE_S
from keepline.gateway.session import Session
from tests.unit.gateway.fakes import World


class Stubborn:
    """A coroutine that ends when it wants to, whatever it is told."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def run(self) -> None:
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                continue


def called(session: Session) -> None:
    pass


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_was_spawned_and_does_not_end_is_named_and_held_until_it_does() -> None:
    world = World()
    life = world.connect()
    stubborn = Stubborn()
    life.session.spawn(stubborn.run())
    life.session.spawn(asyncio.sleep(3_600))
    await turn()
    life.loses_tcp()
    await turn()
    strays = world.node.isolation.strays
    world.pass_time(PATIENCE_S - 0.2)
    world.node.each_second()
    assert len(strays) == 0
    world.pass_time(0.4)
    world.node.each_second()
    [(kind, stray)] = strays.found()
    assert (kind, stray.device_id) == ("task", "device-1")
    [line] = world.logged("handler_does_not_end")
    assert "test_strays.py:" in line["at"]
    stubborn.may_end.set()
    await turn()
    assert len(strays) == 0
    [ended] = world.logged("handler_has_ended")
    assert ended["after_s"] >= PATIENCE_S


async def test_each_has_its_own_time_to_end() -> None:
    world = World()
    stubborn = Stubborn()
    for device_id in ("one", "other"):
        life = world.connect(device_id)
        life.session.spawn(stubborn.run())
        await turn()
        life.loses_tcp()
        await turn()
        world.pass_time(PATIENCE_S / 2 + 0.2)
    found = []
    for _ in range(2):
        world.node.each_second()
        found.append([stray.device_id for _, stray in world.node.isolation.strays.found()])
        world.pass_time(PATIENCE_S / 2)
    stubborn.may_end.set()
    await turn()
    assert found == [["one"], ["one", "other"]]


async def test_a_session_that_ends_in_order_leaves_nothing_to_look_for() -> None:
    world = World()
    world.connect().loses_tcp()
    world.pass_time(2 * PATIENCE_S)
    world.node.each_second()
    assert world.node.isolation.strays._waiting == []


async def test_a_thread_that_does_not_come_back_is_named_at_once_and_let_go_when_it_does() -> None:
    world = World()
    strays = world.node.isolation.strays
    running: Future[object] = Future()
    strays.thread(running, world.connect().session, called, lambda: "app.py:7")
    [(kind, _)] = strays.found()
    assert kind == "thread"
    assert world.logged("handler_does_not_end")[0]["at"] == "app.py:7"
    running.set_result(None)
    await turn()
    assert len(strays) == 0
