from __future__ import annotations

from typing import Any

import httpx

from keepline.admin.api import Readiness, create_api
from keepline.admin.drain import drain_routes
from tests.unit.gateway.drain.leaving import RETURNING, TOLD, Leaving
from tests.unit.gateway.virtual_time import pass_time, virtual


async def no_metrics() -> bytes:
    return b""


async def asked(world: Leaving, path: str = "", body: Any = None) -> tuple[int, Any]:
    api = create_api(
        ready=lambda: Readiness(ready=True), metrics=no_metrics, routers=[drain_routes(world.node)]
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        url = f"/api/drain{path}"
        answer = await (client.get(url) if body is None else client.post(url, json=body))
    return answer.status_code, answer.json()


def slowly() -> Leaving:
    world = Leaving(profiles=RETURNING, drain={"rate_per_s": 1}, server={"max_connections": 20})
    for number in range(30):
        world.of_profile("kiosk", f"kiosk-{number}")
    world.connect("ours", TOLD)
    return world


@virtual
async def test_a_dry_run_tells_waves_times_and_who_is_cut() -> None:
    world = slowly()
    status, told = await asked(world, "", {"dry_run": True})
    assert (status, told["phase"]) == (200, "none")
    plan = told["plan"]
    assert plan["waves"][1] == {
        "wave": "quiet",
        "devices": 31,
        "never": 0,
        "told": 1,
        "by_itself": 30,
        "cut": 10,
    }
    assert [wave["wave"] for wave in plan["waves"]] == ["idle", "quiet", "talking"]
    assert (plan["devices"], plan["fits"], plan["waves_s"]) == (31, False, 30)
    assert (plan["turn_s"], plan["wait_s"], plan["limit_s"]) == (15, 20, 30)
    assert not world.drain.is_leaving


@virtual
async def test_it_is_begun_followed_paused_and_called_off() -> None:
    world = slowly()
    assert (await asked(world))[1]["phase"] == "none"
    status, told = await asked(world, "", {})
    assert (status, told["phase"], told["asked_by"]) == (200, "unready", "operator")
    await pass_time(3)
    status, told = await asked(world)
    assert (told["phase"], told["left"] < 31, told["plan"]["devices"]) == ("leaving", True, 31)
    assert (await asked(world, "/pause", {}))[1]["phase"] == "paused"
    assert (await asked(world, "/resume", {}))[1]["phase"] == "leaving"
    assert (await asked(world, "", {}))[1]["phase"] == "leaving"  # joined
    assert (await asked(world, "/abort", {}))[1]["phase"] == "aborted"
    assert not world.node.draining


@virtual
async def test_what_cannot_be_done_where_it_is_gets_a_409_that_says_why() -> None:
    world = slowly()
    for change in ("pause", "resume", "abort"):
        status, told = await asked(world, f"/{change}", {})
        assert status == 409
        assert told["detail"]


@virtual
async def test_a_target_that_is_no_websocket_address_is_refused() -> None:
    status, _ = await asked(slowly(), "", {"target": "http://elsewhere.example/"})
    assert status == 422


@virtual
async def test_who_follows_it_sees_its_end() -> None:
    world = Leaving()
    world.connect()
    await asked(world, "", {})
    assert await world.drain.over()
    _, told = await asked(world)
    assert (told["phase"], told["left"], told["sent"]) == ("ended", 0, 1)
    began_at = world.clock.now()
    await world.drain.last_look.wait(world.clock.now())
    assert world.clock.now() == began_at
