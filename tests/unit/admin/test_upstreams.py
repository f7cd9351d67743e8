from __future__ import annotations

from io import StringIO
from typing import Any

import httpx

from keepline.admin.api import Readiness, create_api
from keepline.admin.upstreams import upstream_routes
from keepline.clock import ManualClock
from keepline.log import Log
from keepline.relay.upstreams.upkeep import Upkeep
from keepline.settings.upstream import Upstreams
from tests.unit.relay.upstreams.pools import eject

URLS = ("ws://voice-0/v1/?key=s3cret", "ws://voice-1/v1/")


def upkeep() -> Upkeep:
    clock = ManualClock()
    log = Log(StringIO(), clock, level="error", style="json", fold_per_s=100)
    return Upkeep(Upstreams(urls=URLS), clock=clock, log=log, random=lambda: 0.0)


async def no_metrics() -> bytes:
    return b""


async def asked(kept: Upkeep, path: str = "", body: Any = None) -> tuple[int, Any]:
    api = create_api(
        ready=lambda: Readiness(ready=True), metrics=no_metrics, routers=[upstream_routes(kept)]
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        url = f"/api/upstreams{path}"
        answer = await (client.get(url) if body is None else client.post(url, json=body))
    assert "s3cret" not in answer.text
    return answer.status_code, answer.json()


async def test_each_upstream_is_told_with_its_health_and_without_its_query() -> None:
    kept = upkeep()
    eject(kept.pool.upstreams[1], kept.now())
    kept.pool.upstreams[0].begin()
    kept.pool.upstreams[0].opened(kept.now())
    status, answer = await asked(kept)
    first, second = answer["upstreams"]
    assert (status, answer["panic"]) == (200, False)
    assert first == {
        "upstream": "ws://voice-0/v1/",
        "health": "healthy",
        "share": 1.0,
        "connections": 1,
        "connecting": 0,
        "connects": 1,
        "failures": 0,
        "ejections": 0,
        "ejected_for_s": None,
        "latency_s": None,
        "last_failure": "",
    }
    assert (second["health"], second["share"], second["ejected_for_s"]) == ("ejected", 0.0, 10.0)
    assert (second["last_failure"], second["failures"]) == ("refused", 5)


async def test_an_upstream_is_drained_and_taken_back() -> None:
    kept = upkeep()
    status, answer = await asked(kept, "/drain", {"upstream": "ws://voice-1/v1/"})
    assert (status, answer["health"], answer["share"]) == (200, "draining", 0.0)
    assert kept.pool.upstreams[1].draining
    status, answer = await asked(kept, "/undrain", {"upstream": "ws://voice-1/v1/"})
    assert (status, answer["health"], answer["share"]) == (200, "slow_start", 0.1)


async def test_an_upstream_that_is_not_there_is_404() -> None:
    for path in ("/drain", "/undrain"):
        status, answer = await asked(upkeep(), path, {"upstream": "ws://voice-2/"})
        assert (status, answer) == (404, {"detail": "no such upstream: name one as it is listed"})


async def test_what_names_no_upstream_is_422() -> None:
    for body in ({}, {"upstream": ""}, {"upstream": "x" * 2_049}):
        assert (await asked(upkeep(), "/drain", body))[0] == 422
