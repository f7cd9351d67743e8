from __future__ import annotations

from typing import Any

import httpx

from keepline.admin.api import Readiness, create_api
from keepline.admin.tuning import tuning_routes
from keepline.gateway.governor.batch import FIRST, LEAST, MOST
from keepline.gateway.tuning.tuner import Known
from keepline.lifecycle.tries import Record
from tests.unit.gateway.fakes import World


async def no_metrics() -> bytes:
    return b""


async def asked(world: World, method: str, path: str, **options: Any) -> httpx.Response:
    api = create_api(
        ready=lambda: Readiness(ready=True),
        metrics=no_metrics,
        routers=[tuning_routes(world.node)],
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, **options)


def learned() -> World:
    world = World(tuning={"verdict_s": 120})
    assert world.node.tuning is not None
    now = world.node.ticker.now
    tuner = world.node.tuning.tuner
    tuner.recall({"192.0.2.1": Known(58, 88, now), "192.0.2.2": Known(88, float("inf"), now)})
    tuner.tries.records()[28.0] = Record(survived=2)
    tuner.tries.begin("192.0.2.2", 1, 110, now)
    return world


async def test_a_node_that_learns_nothing_says_so() -> None:
    told = (await asked(World(), "GET", "/api/tuning")).json()
    assert told.pop("numbers")[1:] == [
        {"what": "departures a turn", "value": FIRST, "least": LEAST, "most": MOST},
        {"what": "samples apart", "value": 1, "least": 1, "most": 4},
        {"what": "audio frames in an inbox", "value": 64, "least": 64, "most": 256},
    ]
    assert told == {"learns": False, "interval_s": 15, "prefixes": 0, "ways": [], "steps": []}


async def test_what_is_not_bounded_has_no_value() -> None:
    world = World(governor={"enabled": False})
    told = (await asked(world, "GET", "/api/tuning")).json()
    assert told["numbers"][0]["value"] is None


async def test_what_was_learned_is_listed_the_latest_used_first() -> None:
    world = learned()
    told = (await asked(world, "GET", "/api/tuning")).json()
    since = world.clock.wall()
    assert (told["learns"], told["prefixes"]) == (True, 2)
    assert told["ways"] == [
        {
            "prefix": "192.0.2.2",
            "interval_s": 88,
            "tried_s": 110,
            "killed_s": None,
            "since": since,
        },
        {"prefix": "192.0.2.1", "interval_s": 58, "tried_s": None, "killed_s": 88, "since": since},
    ]
    assert told["steps"] == [
        {"interval_s": 28, "survived": 2, "killed": 0, "trying": 0},
        {"interval_s": 110, "survived": 0, "killed": 0, "trying": 1},
    ]
    limited = (await asked(world, "GET", "/api/tuning?limit=1")).json()
    assert [each["prefix"] for each in limited["ways"]] == ["192.0.2.2"]


async def test_a_prefix_is_forgotten() -> None:
    world = learned()
    told = (await asked(world, "POST", "/api/tuning/forget", json={"prefix": "192.0.2.1"})).json()
    assert [each["prefix"] for each in told["ways"]] == ["192.0.2.2"]


async def test_a_prefix_that_nothing_is_known_of_is_not_found() -> None:
    for world in (World(), learned()):
        answer = await asked(world, "POST", "/api/tuning/forget", json={"prefix": "nowhere"})
        assert answer.status_code == 404
