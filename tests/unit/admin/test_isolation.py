from __future__ import annotations

import asyncio
from typing import Any

import httpx

from keepline.admin.api import Readiness, create_api
from keepline.admin.isolation import isolation_routes
from keepline.gateway.isolation.leaks import ROUND_S
from keepline.gateway.isolation.watchdog import Culprit
from keepline.gateway.session import Session
from tests.unit.gateway.fakes import World


async def no_metrics() -> bytes:
    return b""


async def asked(world: World, path: str) -> Any:
    api = create_api(
        ready=lambda: Readiness(ready=True),
        metrics=no_metrics,
        routers=[isolation_routes(world.node)],
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return answer.json()


def falls(session: Session) -> None:
    raise LookupError


async def test_a_node_where_nothing_has_failed_says_so() -> None:
    told = await asked(World(), "/api/handlers")
    assert (told["handlers"], told["strays"], told["blocked"]) == ([], [], None)
    assert {each["handler"] for each in told["faults"]} == {0}


async def test_what_has_failed_is_told_by_class_and_by_handler() -> None:
    world = World(isolation={"failing_devices": 1})
    world.node.fence.call(world.connect().session, falls)
    world.node.isolation.watchdog.latest = (1.25, Culprit("app.py:7"))
    told = await asked(world, "/api/handlers")
    assert told["faults"][-1] == {"fault": "unknown", "socket": 0, "handler": 1, "us": 0}
    [handler] = told["handlers"]
    assert handler == {
        "handler": "tests.unit.gateway.fakes.Recorder",
        "standing": "suspended",
        "devices": 0,
        "failures": 1,
        "suspensions": 1,
        "wait_s": 30.0,
        "untried": False,
        "addresses": [],
    }
    world.pass_time(91.0)
    [handler] = (await asked(world, "/api/handlers"))["handlers"]
    assert (handler["standing"], handler["wait_s"], handler["untried"]) == ("probing", 0.0, True)
    assert told["blocked"]["at"] == "app.py:7"
    assert told["blocked"]["lost_s"] == 1.25


async def test_who_has_most_under_way_is_told() -> None:
    world = World()
    world.connect().session.spawn(asyncio.sleep(3_600))
    leaks = world.node.isolation.leaks
    leaks.each_second(world.node.ticker.now)
    world.pass_time(ROUND_S + 1)
    leaks.each_second(world.node.ticker.now)
    told = await asked(world, "/api/leaks")
    assert told["sessions"] == [
        {
            "owner": "device-1",
            "handler": "tests.unit.gateway.fakes.Recorder",
            "tasks": 1,
            "timers": 0,
            "queued_bytes": 0,
            "growing": [],
        }
    ]
    assert told["memory"] == []
