from __future__ import annotations

from typing import Any

import httpx

from keepline.admin.api import Readiness, create_api
from keepline.admin.governor import governor_routes
from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.batch import FIRST
from tests.unit.gateway.fakes import World


async def no_metrics() -> bytes:
    return b""


async def asked(world: World, method: str, path: str, **options: Any) -> httpx.Response:
    api = create_api(
        ready=lambda: Readiness(ready=True),
        metrics=no_metrics,
        routers=[governor_routes(world.node)],
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, **options)


def strengths(told: dict[str, Any]) -> dict[str, float | None]:
    return {each["action"]: each["strength"] for each in told["actions"]}


async def test_a_node_in_peace_says_so_with_all_that_it_looks_at() -> None:
    told = (await asked(World(), "GET", "/api/governor")).json()
    assert told["pressure"] == 0.0
    assert told["forced"] is None
    assert [each["signal"] for each in told["signals"]] == ["lag", "memory", "queued", "standing"]
    assert set(strengths(told).values()) == {None}
    assert told["door"]["limit"] == 20
    assert told["door"]["per_turn"] == FIRST
    assert told["door"]["judging"] == 0


async def test_a_pressure_is_forced_and_released() -> None:
    world = World()
    told = (await asked(world, "POST", "/api/governor/force", json={"pressure": 0.85})).json()
    assert told["forced"] == {"pressure": 0.85, "by": "", "left_s": None}
    assert {word for word, each in strengths(told).items() if each is not None} == {
        *("shrink", "slow", "hold"),
    }
    told = (await asked(world, "POST", "/api/governor/force", json={"pressure": None})).json()
    assert told["forced"] is None


async def test_one_action_alone_is_forced_for_a_while_and_released() -> None:
    world = World()
    body = {"pressure": 1, "action": "shed", "for_s": 600, "by": "anna"}
    told = (await asked(world, "POST", "/api/governor/force", json=body)).json()
    assert told["forced"] is None
    forced = {each["action"]: each["forced"] for each in told["actions"]}
    assert forced.pop("shed") == {"pressure": 1.0, "by": "anna", "left_s": 600.0}
    assert set(forced.values()) == {None}
    assert [word for word, each in strengths(told).items() if each is not None] == ["shed"]
    world.clock.advance(601)
    told = (await asked(world, "GET", "/api/governor")).json()
    assert told["actions"][3]["forced"]["left_s"] == 0.0  # it looks four times a second
    body = {"pressure": None, "action": "shed"}
    told = (await asked(world, "POST", "/api/governor/force", json=body)).json()
    assert told["actions"][3]["forced"] is None


async def test_without_an_action_all_that_is_forced_is_released() -> None:
    world = World()
    for body in ({"pressure": 0.9}, {"pressure": 1, "action": "none"}):
        await asked(world, "POST", "/api/governor/force", json=body)
    release = {"pressure": None, "by": "anna"}
    told = (await asked(world, "POST", "/api/governor/force", json=release)).json()
    assert told["forced"] is None
    assert {str(each["forced"]) for each in told["actions"]} == {"None"}
    lines = [(each["action"], each["by"]) for each in world.logged("governor_forced")[2:]]
    assert lines == [(None, "anna"), ("none", "anna")]


async def test_while_all_is_released_nothing_begins() -> None:
    world = World()
    for body in ({"pressure": 0.99}, {"pressure": 0, "action": "none"}):
        await asked(world, "POST", "/api/governor/force", json=body)
    assert world.node.governor.begun[Action.NONE] == 1
    await asked(world, "POST", "/api/governor/force", json={"pressure": None})
    assert world.node.governor.begun[Action.NONE] == 1


async def test_an_action_is_switched_off() -> None:
    world = World()
    body = {"action": "shed", "on": False}
    told = (await asked(world, "POST", "/api/governor/switch", json=body)).json()
    assert [each["action"] for each in told["actions"] if not each["on"]] == ["shed"]


async def test_what_is_no_number_is_refused_too() -> None:
    for body in ('{"pressure": NaN}', '{"pressure": 1, "for_s": NaN}', '{"pressure": Infinity}'):
        answer = await asked(World(), "POST", "/api/governor/force", content=body)
        assert answer.status_code == 422
        [wrong] = answer.json()["detail"]
        assert "input" not in wrong
        assert wrong["msg"]


async def test_what_is_no_pressure_and_no_action_is_refused() -> None:
    world = World()
    for path, body in (
        ("force", {"pressure": 1.5}),
        ("force", {}),
        ("force", {"pressure": 1, "action": "sing"}),
        ("force", {"pressure": 1, "for_s": 0}),
        ("force", {"pressure": 1, "by": 201 * "a"}),
        ("switch", {"action": "sing", "on": True}),
    ):
        answer = await asked(world, "POST", f"/api/governor/{path}", json=body)
        assert answer.status_code == 422


async def test_a_governor_that_is_off_has_no_limit() -> None:
    world = World(governor={"enabled": False})
    told = (await asked(world, "GET", "/api/governor")).json()
    assert told["door"]["limit"] is None
    assert told["door"]["per_turn"] is None
    assert not any(each["on"] for each in told["actions"])
