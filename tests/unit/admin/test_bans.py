from __future__ import annotations

from typing import Any

import httpx

from keepline.admin.api import Readiness, create_api
from keepline.admin.bans import ban_routes
from tests.unit.gateway.fakes import World
from tests.unit.gateway.flapping.test_flapping import HOME, QUICK, fight, lives


async def no_metrics() -> bytes:
    return b""


async def asked(world: World, method: str, path: str, **options: Any) -> httpx.Response:
    api = create_api(
        ready=lambda: Readiness(ready=True), metrics=no_metrics, routers=[ban_routes(world.node)]
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, **options)


async def test_who_is_held_is_told_with_why_and_until_when() -> None:
    world = World(flapping=QUICK)
    lives(world, 7)
    world.pass_time(10)
    fight(world, 5)
    answer = await asked(world, "GET", "/api/bans")
    assert answer.json() == {
        "bans": [
            {
                "kind": "kick_war",
                "device_id": "twin",
                "address": "",
                "step": "denied",
                "times": 4,
                "held_s": 0.0,
                "for_s": 120.0,
            },
            {
                "kind": "device",
                "device_id": "device-1",
                "address": HOME,
                "step": "banned",
                "times": 7,
                "held_s": 10.0,
                "for_s": 290.0,
            },
        ]
    }


async def test_one_that_is_held_is_let_go_and_nobody_else() -> None:
    world = World(flapping=QUICK)
    lives(world, 7)
    lives(world, 7, "device-2")
    answer = await asked(world, "POST", "/api/bans/lift", json={"who": "device-1"})
    assert answer.status_code == 200
    assert [each["device_id"] for each in answer.json()["bans"]] == ["device-1"]
    left = (await asked(world, "GET", "/api/bans")).json()["bans"]
    assert [each["device_id"] for each in left] == ["device-2"]
    again = await asked(world, "POST", "/api/bans/lift", json={"who": "device-1"})
    assert again.status_code == 404
    assert again.json()["detail"] == "device-1 is not held up"


async def test_a_name_that_cannot_be_is_422() -> None:
    answer = await asked(World(), "POST", "/api/bans/lift", json={"who": "two words"})
    assert answer.status_code == 422
