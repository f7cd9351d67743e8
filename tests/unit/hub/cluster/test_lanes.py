"""One thing at a time for each device, and everything within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from keepline.errors import HubDownError
from keepline.hub.cluster.lanes import Lanes


def noting(done: list[str], name: str, until: asyncio.Event) -> Callable[[], Awaitable[str]]:
    async def work() -> str:
        await until.wait()
        done.append(name)
        return name

    return work


async def test_what_is_asked_of_one_device_is_done_in_the_order_of_asking() -> None:
    lanes, done = Lanes(asyncio.get_running_loop()), list[str]()
    gates = [asyncio.Event() for _ in range(3)]
    tasks = [lanes.run("device", noting(done, str(n), gate)) for n, gate in enumerate(gates)]
    for gate in reversed(gates):
        gate.set()
    assert await asyncio.gather(*tasks) == done == ["0", "1", "2"]


async def test_no_device_waits_for_another() -> None:
    lanes, done = Lanes(asyncio.get_running_loop()), list[str]()
    never, free = asyncio.Event(), asyncio.Event()
    free.set()
    lanes.run("stuck", noting(done, "stuck", never))
    assert await lanes.run("other", noting(done, "other", free)) == "other"
    await lanes.stop()


async def test_a_failure_is_told_to_who_waits_and_the_next_goes_on() -> None:
    lanes = Lanes(asyncio.get_running_loop())

    async def fail() -> None:
        raise HubDownError("no")

    free = asyncio.Event()
    free.set()
    failing, next_ = lanes.run("device", fail), lanes.run("device", noting([], "next", free))
    with pytest.raises(HubDownError):
        await failing
    assert await next_ == "next"


async def test_nothing_is_held_of_a_device_whose_work_is_done() -> None:
    lanes, free = Lanes(asyncio.get_running_loop()), asyncio.Event()
    free.set()
    await lanes.run("device", noting([], "it", free), 1_000)
    await lanes.passed("device")
    assert (len(lanes), lanes.waiting_bytes, lanes._last) == (0, 0, {})


async def test_what_finds_no_room_is_refused_at_once() -> None:
    lanes = Lanes(asyncio.get_running_loop(), most_waiting=2, most_bytes=1_000)
    never = asyncio.Event()
    lanes.run("device", noting([], "first", never), 600)
    with pytest.raises(HubDownError, match="no room"):
        lanes.run("device", noting([], "too large", never), 600)
    lanes.run("device", noting([], "second", never), 100)
    with pytest.raises(HubDownError, match="no room"):
        lanes.run("device", noting([], "too many", never), 1)
    await lanes.stop()


async def test_after_its_stop_nothing_is_taken_any_more() -> None:
    lanes, never = Lanes(asyncio.get_running_loop()), asyncio.Event()
    stuck = lanes.run("device", noting([], "it", never))
    assert await lanes.flush(0.0) == 1
    await lanes.stop()
    assert stuck.cancelled()
    with pytest.raises(HubDownError, match="stopped"):
        lanes.run("device", noting([], "it", never))
