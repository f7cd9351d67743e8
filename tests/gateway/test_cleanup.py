"""Whoever has gone leaves nothing behind: no descriptor, no task, no deadline, no memory."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from keepline.gateway import cleanup as cleanup_module
from keepline.gateway.cleanup import STEPS
from keepline.gateway.session import Session
from keepline.reasons import CloseReason
from tests.conftest import RunningGateway
from tests.gateway.peers import HELLO, Peer, heard, live, request, talk, tcp, text
from tests.unit.gateway.fakes import Recorder
from tests.waiting import eventually, within

Start = Callable[..., Any]
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def nothing_left(gateway: RunningGateway) -> bool:
    node = gateway.node
    return not (node.registry or node.arrivals.admissions or node.cleanups or node.wheel.armed)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_a_fault_in_any_step_leaves_a_gateway_that_works(
    gateway: RunningGateway, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Any) -> None:
        step(connection)
        raise RuntimeError(step.__name__)

    steps = tuple(fail if one is step else one for one in STEPS)
    monkeypatch.setattr(cleanup_module, "STEPS", steps)
    async with live(gateway.port):
        pass
    await eventually(lambda: nothing_left(gateway))
    assert gateway.counters.cleanup_failures == 1
    assert gateway.counters.disconnects[CloseReason.DEVICE_CLOSED] == 1
    async with talk(gateway.port) as device:
        await device.send('{"type":"custom","payload":1}')
        assert (await heard(device))["payload"] == 1


# -- takeover ------------------------------------------------------------------------------


async def test_the_newest_connection_of_a_device_wins(gateway: RunningGateway) -> None:
    async with live(gateway.port, "device") as old, talk(gateway.port, "device") as new:
        assert await old.close_code() == 4001
        await old.end()
        await eventually(lambda: len(gateway.node.registry) == 1)
        await new.send('{"type":"custom","payload":"mine"}')
        assert (await heard(new))["payload"] == "mine"
    assert gateway.counters.takeovers == 1
    assert gateway.counters.disconnects[CloseReason.REPLACED] == 1


async def test_a_cleanup_that_comes_late_cannot_touch_the_newer_connection(
    start_gateway: Start,
) -> None:
    go = asyncio.Event()

    class Reluctant(Recorder):
        async def closed(self, session: Session, reason: CloseReason) -> None:  # type: ignore[override]
            await go.wait()

    gateway = await start_gateway(Reluctant)
    async with live(gateway.port, "device") as old:
        old.fin()
        await old.end()
        await eventually(lambda: gateway.node.cleanups)
        async with talk(gateway.port, "device"):
            newer = gateway.node.registry.by_device("device")
            go.set()
            await eventually(lambda: not gateway.node.cleanups)
            assert gateway.node.registry.by_device("device") is newer
            assert list(gateway.node.registry) == [newer]


async def test_a_device_that_connects_again_and_again_is_held_once(
    gateway: RunningGateway,
) -> None:
    peers = [await Peer.live(gateway.port, "device") for _ in range(20)]
    await eventually(lambda: len(gateway.node.registry) == 1, within_s=3.0)
    assert gateway.counters.takeovers == 19
    held = gateway.node.registry.by_device("device")
    assert held is not None
    assert held.claim == 20
    for peer in peers:
        peer.close()


# -- many ----------------------------------------------------------------------------------


async def come_and_go(port: int, number: int) -> None:
    """Live for a moment, and leave in one of the ways in which devices do."""
    way = number % 5
    peer = await Peer.dial(port)
    if way == 0:
        peer.rst()
        return
    await peer.send(request(Device_Id=f"device-{number}"))
    assert (await peer.answer())[0] == 101
    if way == 1:
        peer.rst()
        return
    await peer.send(text(HELLO) + text('{"type":"listen","state":"start"}'))
    await peer.frame()
    if way == 2:
        peer.rst()
        return
    if way == 3:
        peer.fin()
        await peer.end()
    peer.close()


async def test_five_thousand_that_came_and_went_leave_nothing(start_gateway: Start) -> None:
    gateway = await start_gateway()  # its hub's twin is full after the first thousand

    async def thousand() -> None:
        for first in range(0, 1_000, 100):
            numbers = range(first, first + 100)
            await asyncio.gather(*(come_and_go(gateway.port, number) for number in numbers))
        await eventually(lambda: nothing_left(gateway), within_s=10.0)
        gateway.log_lines.seek(0)
        gateway.log_lines.truncate()

    await thousand()  # what is made once and kept
    gc.collect()
    tasks, open_before = asyncio.all_tasks(), descriptors()
    objects = len(gc.get_objects())
    held_bytes = [rss_bytes()]
    for _ in range(5):
        await thousand()
        gc.collect()
        held_bytes.append(rss_bytes())
    assert gateway.counters.connections_accepted == 6_000
    assert asyncio.all_tasks() == tasks
    assert descriptors() == open_before
    assert gateway.node.wheel.stale < 200
    assert len(gc.get_objects()) - objects < 500
    # A leak grows every time, the heap of a long test run only now and then.
    grown_bytes = [after - before for before, after in pairwise(held_bytes)]
    assert min(grown_bytes) < 256 * 1_000  # 256 bytes for each of a thousand


# -- leaving -------------------------------------------------------------------------------


async def test_stopping_ends_five_hundred_that_ignore_it_in_parallel(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway()
    peers: list[Peer] = []
    for first in range(0, 500, 50):
        batch = range(first, first + 50)
        peers += await asyncio.gather(*(Peer.live(gateway.port, f"device-{n}") for n in batch))
    async with within(20.0):  # a second each, one after the other, would be eight minutes
        await gateway.gateway.stop()
    assert nothing_left(gateway)
    assert gateway.counters.disconnects[CloseReason.SERVER_SHUTDOWN] == 500
    assert [await peer.close_code() for peer in peers] == [1001] * 500
    for peer in peers:
        await peer.end()
        peer.close()


async def test_stopping_tells_each_handler_before_it_closes(start_gateway: Start) -> None:
    handler = Recorder()
    gateway = await start_gateway(lambda: handler)
    async with talk(gateway.port):
        await gateway.gateway.stop()
    assert handler.names == ["opened", "draining", "closed"]
    assert handler.calls[-1] == ("closed", CloseReason.SERVER_SHUTDOWN)


async def test_stopping_twice_and_at_once_is_fine(gateway: RunningGateway) -> None:
    async with talk(gateway.port):
        await asyncio.gather(gateway.gateway.stop(), gateway.gateway.stop())
    await gateway.gateway.stop()
    assert gateway.counters.disconnects[CloseReason.SERVER_SHUTDOWN] == 1


async def test_stopping_refuses_who_is_half_way_in(gateway: RunningGateway) -> None:
    async with tcp(gateway.port) as silent, tcp(gateway.port) as half:
        await half.send(request()[:70])
        await eventually(lambda: len(gateway.node.arrivals.admissions) == 2)
        stopping = asyncio.ensure_future(gateway.gateway.stop())
        for peer in (silent, half):
            status, head = await peer.answer()
            assert status == 503
            assert "Retry-After: 10" in head
            assert await peer.end() == "fin"
            peer.close()
        async with within(2.0):
            await stopping
    assert nothing_left(gateway)


async def test_stopping_ends_who_has_not_said_hello_too(gateway: RunningGateway) -> None:
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        assert (await peer.answer())[0] == 101
        await gateway.gateway.stop()
        assert await peer.close_code() == 1001
        await peer.end(within_s=0.5)  # it ignored the Close, and TCP is gone all the same
    assert nothing_left(gateway)


async def test_who_knocks_while_we_stop_never_hangs(gateway: RunningGateway) -> None:
    async with live(gateway.port, "device-0"):
        stopping = asyncio.ensure_future(gateway.gateway.stop())
        for number in range(1, 50):
            try:
                peer = await Peer.dial(gateway.port)
            except ConnectionRefusedError:
                break
            try:
                await peer.send(request(Device_Id=f"device-{number}"))
                assert (await peer.answer())[0] == 503
            except (ConnectionError, AssertionError):
                pass
            peer.close()
        async with within(5.0):
            await stopping
    assert nothing_left(gateway)


async def test_a_stopped_gateway_has_no_tasks_and_no_descriptors(start_gateway: Start) -> None:
    async def come_and_stop() -> None:
        gateway = await start_gateway()
        async with talk(gateway.port):
            pass
        await gateway.gateway.stop()

    await come_and_stop()  # the loop itself keeps a descriptor from its first listening on
    tasks, open_before = asyncio.all_tasks(), descriptors()
    await come_and_stop()
    await eventually(lambda: descriptors() == open_before)
    assert asyncio.all_tasks() == tasks
