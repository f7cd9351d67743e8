from __future__ import annotations

import asyncio

from keepline.gateway.isolation.parting import Gone
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_plain_callback_is_called_on_the_spot_and_in_order() -> None:
    world = World()
    told: list[tuple[int, Gone]] = []
    world.node.isolation.callbacks.add(lambda gone: told.append((1, gone)))
    world.node.isolation.callbacks.add(lambda gone: told.append((2, gone)))
    life = world.connect()
    world.pass_time(2.0)
    life.session.close(CloseReason.KICKED)
    life.loses_tcp()
    assert not world.node.cleanups
    [(first, gone), (second, _)] = told
    assert (first, second) == (1, 2)
    assert gone == Gone("device-1", life.session.session_id, CloseReason.KICKED, "", 2.0)


async def test_what_one_raises_is_told_and_the_next_is_called() -> None:
    def raises(gone: Gone) -> None:
        raise SystemExit(1)

    async def raises_late(gone: Gone) -> None:
        raise LookupError

    world = World()
    told: list[Gone] = []
    for callback in (raises, raises_late, told.append):
        world.node.isolation.callbacks.add(callback)
    world.connect().loses_tcp()
    await turn()
    assert len(told) == 1
    assert len(world.logged("cleanup_callback_failed")) == 2
    assert world.counters.cleanup_failures == 2
    assert not world.node.cleanups


async def test_one_that_meets_a_cancelled_future_leaves_no_cleanup_undone() -> None:
    def takes(gone: Gone) -> None:
        cancelled().result()

    async def awaits(gone: Gone) -> None:
        await cancelled()

    def cancelled() -> asyncio.Future[None]:
        inner: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        inner.cancel()
        return inner

    world = World()
    for callback in (takes, awaits):
        world.node.isolation.callbacks.add(callback)
    life = world.connect()
    life.loses_tcp()
    await turn()
    assert len(world.logged("cleanup_callback_failed")) == 2
    assert life.connection.lifecycle.state is State.CLOSED
    assert not world.node.cleanups


async def test_a_cleanup_that_is_cancelled_itself_is_no_failure_of_a_callback() -> None:
    async def waits(gone: Gone) -> None:
        await asyncio.Event().wait()

    world = World()
    world.node.isolation.callbacks.add(waits)
    world.connect().loses_tcp()
    await turn()
    [cleanup] = world.node.cleanups
    cleanup.cancel()
    await asyncio.wait([cleanup])
    assert cleanup.cancelled()
    assert world.logged("cleanup_callback_failed") == []


async def test_one_that_hangs_is_cut_and_holds_no_other_up() -> None:
    world = World(session={"closed_timeout_s": 0.01})
    ended = asyncio.Event()

    async def hangs(gone: Gone) -> None:
        await asyncio.Event().wait()

    async def ends(gone: Gone) -> None:
        ended.set()

    world.node.isolation.callbacks.add(hangs)
    world.node.isolation.callbacks.add(ends)
    world.connect().loses_tcp()
    await turn()
    assert ended.is_set()
    await asyncio.gather(*world.node.cleanups)
    [line] = world.logged("cleanup_callback_failed")
    assert line["error"].startswith("TimeoutError")
