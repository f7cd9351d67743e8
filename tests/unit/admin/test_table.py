"""The table of sessions: any order, any filter, page by page."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

import httpx
import pytest

from keepline.admin.api import Readiness, create_api
from keepline.admin.slices import SLICE
from keepline.admin.table import Wanted, page_of, table_routes
from tests.unit.gateway.fakes import World


async def no_metrics() -> bytes:
    return b""


async def asked(world: World, **query: Any) -> tuple[int, Any]:
    api = create_api(
        ready=lambda: Readiness(ready=True), metrics=no_metrics, routers=[table_routes(world.node)]
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/sessions/table", params=query)
        return answer.status_code, answer.json()


async def pages(world: World, **query: Any) -> list[list[str]]:
    """Read on until there are no more; return the device ids of each page."""
    found, behind = [], ""
    while behind is not None:
        _, page = await asked(world, behind=behind, **query)
        found.append([each["device_id"] for each in page["sessions"]])
        behind = page["next"]
    return found


def crowd(size: int) -> World:
    """One came each tenth of a second, the last now; of each the number of pings is its own."""
    world = World()
    for number in range(size):
        life = world.connect(f"device-{number}")
        life.connection.heartbeat.pings = number % 3
        world.pass_time(0.1)
    return world


async def test_who_came_last_is_first_until_it_is_said_otherwise() -> None:
    world = crowd(5)
    assert await pages(world) == [[f"device-{number}" for number in (4, 3, 2, 1, 0)]]
    assert await pages(world, descending=True) == [[f"device-{number}" for number in range(5)]]


async def test_of_those_that_came_in_one_tick_the_last_is_first() -> None:
    world = World()
    for number in range(4):
        world.connect(f"device-{number}")
    assert await pages(world, limit=2) == [["device-3", "device-2"], ["device-1", "device-0"]]
    assert await pages(world, descending=True, limit=3) == [
        ["device-0", "device-1", "device-2"],
        ["device-3"],
    ]


async def test_pages_go_on_where_the_last_one_ended_and_nobody_is_on_two() -> None:
    world = crowd(7)
    found = await pages(world, by="pings", descending=True, limit=3)
    assert [len(page) for page in found] == [3, 3, 1]
    assert found[0][:2] == ["device-2", "device-5"]
    assert len({each for page in found for each in page}) == 7


async def test_who_comes_while_somebody_reads_moves_no_page() -> None:
    world = crowd(4)
    _, first = await asked(world, descending=True, limit=2)
    world.connect("late")
    _, second = await asked(world, descending=True, limit=2, behind=first["next"])
    assert [each["device_id"] for each in second["sessions"]] == ["device-2", "device-3"]


async def test_a_page_may_begin_behind_any_row() -> None:
    world = crowd(4)
    _, first = await asked(world)
    _, behind = await asked(world, behind=first["places"][1])
    assert behind["sessions"] == first["sessions"][2:]


async def test_who_leaves_while_others_are_looked_at_is_not_shown() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(SLICE + 1)]
    wanted = Wanted(by="age", descending=True, state=None, verdict=None, text="")
    making = asyncio.create_task(page_of(world.node, wanted, (-inf, 0, ""), 3))
    await asyncio.sleep(0)
    world.node.registry.release(lives[1].session)
    page = await making
    assert [each.device_id for each in page.sessions] == ["device-0", "device-2"]
    assert page.matching == page.total == SLICE + 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"text": "DEVICE-1"}, 1),
        ({"text": "nobody"}, 0),
        ({"state": "active"}, 3),
        ({"state": "idle"}, 0),
        ({"verdict": "healthy"}, 3),
        ({"verdict": "zombie"}, 0),
        ({"text": "device", "state": "active", "verdict": "healthy"}, 3),
    ],
)
async def test_a_filter_counts_who_fits_it(query: dict[str, Any], expected: int) -> None:
    _, page = await asked(crowd(3), **query)
    assert (page["total"], page["matching"], len(page["sessions"])) == (3, expected, expected)


@pytest.mark.parametrize("by", ["age", "frame", "byte", "rtt", "pings", "failures"])
async def test_every_order_goes_both_ways_through_all(by: str) -> None:
    world = crowd(SLICE + 20)
    for way in (False, True):
        found = await pages(world, by=by, descending=way, limit=100)
        assert len({each for page in found for each in page}) == SLICE + 20
        assert sum(map(len, found)) == SLICE + 20


async def test_others_have_their_turn_while_a_large_fleet_is_looked_at() -> None:
    world = World()
    for number in range(3 * SLICE):
        world.connect(f"device-{number}")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await asked(world)
    counting.cancel()
    assert turns >= 3


@pytest.mark.parametrize(
    "query",
    [
        {"by": "colour"},
        {"limit": 0},
        {"limit": 251},
        {"behind": "nonsense"},
        {"behind": "1.5~x"},
        {"behind": "x~1~y"},
        {"state": "asleep"},
        {"text": "x" * 129},
    ],
)
async def test_what_is_asked_of_the_table_is_checked(query: dict[str, Any]) -> None:
    assert (await asked(World(), **query))[0] == 422
