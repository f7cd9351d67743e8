"""What the admin interface says of the room that is left."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from keepline.admin.api import Readiness, create_api
from keepline.admin.capacity import capacity_routes
from keepline.monitor.rings import Rings
from keepline.monitor.sampler import Sampler
from keepline.settings import Settings
from tests.unit.monitor.series import WALL, sample

MIB = 1 << 20


async def no_metrics() -> bytes:
    return b""


def filled(samples: int, *, former_s: int = 0) -> Sampler:
    """A gateway to which 10 devices come with each sample, 40 KiB each; after a former life."""
    rings, latest = Rings(5.0), None
    for n in range(-former_s // 5, 0):
        rings.add(sample(5 * n, 0.0, memory_bytes=900 * MIB))
    for n in range(samples):
        latest = sample(
            5 * n,
            0.0,
            connections=10 * n,
            talking_connections=n,
            memory_bytes=70 * MIB + 10 * n * 40 * 1_024,
            memory_limit_bytes=1_024 * MIB,
            descriptors=30 + 10 * n,
            descriptor_limit=1_000_000,
            loop_cpu_percent=1.0,
            pings_per_s=10 * n / 15,
        )
        rings.add(latest)
    reading = SimpleNamespace(started_at=WALL - 1.0)
    made = SimpleNamespace(rings=rings, latest=latest, interval_s=5.0, reading=reading)
    return cast("Sampler", made)


async def ask(sampler: Sampler, **query: Any) -> tuple[int, Any]:
    routes = capacity_routes(sampler, Settings())
    api = create_api(ready=lambda: Readiness(ready=True), metrics=no_metrics, routers=[routes])
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/capacity", params=query)
        return answer.status_code, json.loads(answer.content)


async def test_room_is_told_by_resource_with_what_a_session_was_seen_to_cost() -> None:
    _, found = await ask(filled(60))
    assert (found["sessions"], found["limited_by"]) == (590, "connections")
    assert found["most"] == found["left"] + 590 == 15_000
    rooms = {room["resource"]: room for room in found["rooms"]}
    assert set(rooms) == {"memory", "cpu", "descriptors", "connections"}
    assert rooms["memory"]["each"] == pytest.approx(44 * 1_024, rel=0.1)
    assert rooms["memory"]["learned"]
    assert 0 < rooms["memory"]["spread"] < 0.15 * rooms["memory"]["each"]
    assert {cost["of"] for cost in found["costs"]} >= {"session_bytes", "ping_s", "frame_s"}


async def test_what_few_have_shown_is_told_to_be_a_guess() -> None:
    _, many = await ask(filled(60))
    assert (many["known"], many["best"]) == (True, 15_000)
    _, few = await ask(filled(2))
    assert not few["known"]
    assert few["least"] <= few["most"] <= few["best"]
    assert not any(each["known"] for each in few["what_if"])


async def test_it_is_told_as_if_things_were_different() -> None:
    sampler = filled(60)
    _, found = await ask(sampler, memory_bytes=300 * MIB, interval_s=30, talking=0.5)
    assert found["limited_by"] == "memory"
    terms = found["terms"]
    assert (terms["interval_s"], terms["talk_share"]) == (30, 0.5)
    assert terms["verdict_s"] == 30 + 5.5
    changes = {each["change"]: each for each in found["what_if"]}
    assert set(changes) == {
        "pings every 15 s",
        "pings every 60 s",
        "60 % talk",
        "twice the memory",
    }
    assert changes["twice the memory"]["most"] > found["most"]
    assert changes["pings every 60 s"]["verdict_s"] == 60 + 5.5


async def test_what_a_former_life_used_says_nothing_of_this_one() -> None:
    _, alone = await ask(filled(60))
    _, after_another = await ask(filled(60, former_s=600))
    assert after_another["costs"] == alone["costs"]


async def test_before_the_first_sample_there_is_no_forecast() -> None:
    status, found = await ask(filled(0))
    assert status == 503
    assert "has not looked at itself yet" in found["detail"]


@pytest.mark.parametrize("query", [{"interval_s": 0}, {"talking": 2}, {"memory_bytes": 0}])
async def test_what_cannot_be_is_refused(query: dict[str, float]) -> None:
    assert (await ask(filled(10), **query))[0] == 422
