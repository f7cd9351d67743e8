"""The routes about the node's own numbers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from keepline.admin.api import Readiness, create_api
from keepline.admin.monitor import NUMBERS_LIMIT, monitor_routes
from keepline.clock import ManualClock
from keepline.monitor.gauges import GAUGES, Gauge
from keepline.monitor.metrics import Counters
from keepline.monitor.rings import Rings
from keepline.monitor.sampler import Sampler
from keepline.reasons import CloseReason
from tests.unit.monitor.series import WALL, sample

EVERY_GAUGE = [gauge.value for gauge in GAUGES]


class Desk:
    """An operator who asks how a node is that was looked at for so many seconds."""

    def __init__(self, for_s: int) -> None:
        self.clock = ManualClock(wall=WALL + for_s)
        self.counters = Counters()
        rings, latest = Rings(5.0), None
        for at_s in range(0, for_s, 5):
            latest = sample(at_s, None, connections=at_s)
            rings.add(latest)
        endings = [{CloseReason.KICKED: 1}]
        sampler = SimpleNamespace(
            rings=rings, latest=latest, endings=endings, interval_s=5.0, missed=0
        )
        limits = {Gauge.CONNECTIONS: 1_000.0}
        routes = monitor_routes(cast("Sampler", sampler), self.counters, self.clock, limits)
        self.api = create_api(
            ready=lambda: Readiness(ready=True), metrics=self._nothing, routers=[routes]
        )

    async def _nothing(self) -> bytes:
        return b""

    async def ask(self, what: str, **query: Any) -> tuple[int, Any]:
        transport = httpx.ASGITransport(self.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get(f"/api/monitor/{what}", params=query)
            return answer.status_code, json.loads(answer.content)


async def test_the_summary_has_the_latest_averages_limits_and_endings() -> None:
    desk = Desk(for_s=600)
    desk.counters.disconnects[CloseReason.KICKED] = 4
    _, found = await desk.ask("summary")
    assert found["latest"]["connections"] == 595
    assert found["averages"]["connections"] == 447.5
    assert found["latest"]["memory_bytes"] is None
    assert found["thresholds"] == {"connections": 1_000}
    assert (found["samples"], found["interval_s"], found["unattributed"]) == (60, 5, 0)
    assert found["endings"] == [
        {"initiator": "operator", "cause": "kicked", "total": 4, "lately": 1}
    ]
    assert set(found["latest"]) == set(EVERY_GAUGE)


async def test_before_the_first_sample_the_summary_says_so() -> None:
    status, found = await Desk(for_s=0).ask("summary")
    assert (status, found["at"], found["samples"], found["endings"]) == (200, None, 0, [])


async def test_a_series_is_the_last_hour_unless_it_is_said() -> None:
    desk = Desk(for_s=7_200)
    _, found = await desk.ask("series", gauge="connections", points=1_000)
    span = found["series"]["connections"]
    assert (span["start"], span["step_s"]) == (WALL + 3_600, 5)
    assert span["mean"][0] == 3_600
    query = {"from": WALL + 6_000, "to": WALL + 6_100}
    _, found = await desk.ask("series", gauge="connections", **query)
    assert found["series"]["connections"]["mean"] == [*range(6_000, 6_101, 5)]


async def test_a_gap_is_null() -> None:
    _, found = await Desk(for_s=60).ask("series", gauge=["connections", "rtt_p50_s"])
    assert set(found["series"]["rtt_p50_s"]["mean"]) == {None}
    assert None not in found["series"]["connections"]["mean"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"gauge": "connections"}, 200),
        ({}, 422),
        ({"gauge": "unknown"}, 422),
        ({"gauge": "connections", "points": 1}, 422),
        ({"gauge": "connections", "points": 1_000}, 200),
        ({"gauge": "connections", "points": 1_001}, 422),
        ({"gauge": "connections", "from": -1}, 422),
        ({"gauge": "connections", "from": "inf"}, 422),
        ({"gauge": "connections", "to": "inf"}, 422),
        ({"gauge": EVERY_GAUGE, "points": NUMBERS_LIMIT // len(EVERY_GAUGE)}, 200),
        ({"gauge": EVERY_GAUGE, "points": NUMBERS_LIMIT // len(EVERY_GAUGE) + 1}, 422),
    ],
)
async def test_what_is_asked_of_series_is_checked(query: dict[str, Any], status: int) -> None:
    assert (await Desk(for_s=60).ask("series", **query))[0] == status
