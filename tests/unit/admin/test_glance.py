"""What the first page of the dashboard is told."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

import httpx

from keepline.admin.api import Readiness, create_api
from keepline.admin.glance import Seen, glance_routes
from keepline.hub.twin import TwinHub
from keepline.log import Log
from keepline.monitor.alerts.alert import Account
from keepline.monitor.alerts.alerts import Alerts
from keepline.monitor.alerts.incidents import Fact, Incident, Incidents
from keepline.monitor.gauges import GAUGES, Gauge
from keepline.monitor.sample import Sample
from keepline.monitor.sampler import Sampler
from keepline.reasons import CloseReason
from keepline.settings.alerts import Alerts as Settings
from tests.unit.gateway.fakes import World
from tests.unit.monitor.series import sample


class Desk:
    """An operator who looks at a node with one device."""

    def __init__(self, latest: Sample | None) -> None:
        self.world = world = World()
        world.connect("device-1")
        self.incidents = Incidents()
        self.alerts = Alerts(
            Settings(),
            self.incidents,
            evaluate=lambda _now: (),
            account=lambda _: Account(undone="it is calm"),
            attentive=world.clock.now,
            is_leaving=lambda: False,
            is_durable=True,
            hub=TwinHub(world.clock),
            clock=world.clock,
            loop=asyncio.get_running_loop(),
            log=Log(StringIO(), world.clock, style="json"),
            notifiers=(),
        )
        sampler = SimpleNamespace(latest=latest, endings=[{CloseReason.KICKED: 1}], interval_s=5.0)
        seen = Seen(
            world.node,
            cast("Sampler", sampler),
            self.alerts,
            {Gauge.CONNECTIONS: 900.0},
            lambda: Readiness(ready=False, reason="full"),
            "1.2.3",
        )
        self.api = create_api(
            ready=seen.readiness, metrics=self._nothing, routers=[glance_routes(seen)]
        )

    async def _nothing(self) -> bytes:
        return b""

    async def look(self) -> dict[str, Any]:
        transport = httpx.ASGITransport(self.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/api/glance")
            assert answer.status_code == 200
            found: dict[str, Any] = json.loads(answer.content)
            return found


async def test_one_answer_has_all_that_the_first_page_shows() -> None:
    desk = Desk(sample(0, 1.0, connections=1, memory_bytes=100, memory_limit_bytes=1_000))
    desk.world.counters.disconnects[CloseReason.KICKED] = 4
    found = await desk.look()
    assert (found["version"], found["ready"], found["reason"]) == ("1.2.3", False, "full")
    assert (found["sessions"], found["limit"]) == (1, 15_000)
    assert found["latest"]["memory_bytes"] == 100
    assert set(found["latest"]) == {gauge.value for gauge in GAUGES}
    assert found["thresholds"] == {"connections": 900}
    assert found["endings"] == [
        {"initiator": "operator", "cause": "kicked", "total": 4, "lately": 1}
    ]
    assert found["governor"]["pressure"] == 0
    assert found["drain"] is None
    assert found["alerts"] == []


async def test_the_score_comes_with_its_parts() -> None:
    found = await Desk(sample(0, 0.0, memory_bytes=950, memory_limit_bytes=1_000)).look()
    parts = {part["name"]: part for part in found["score"]["parts"]}
    assert parts["memory"]["points"] == 0
    assert parts["memory"]["value"] == 0.95
    assert parts["loop_cpu"]["points"] == parts["loop_cpu"]["weight"]
    assert 0 < found["score"]["total"] < 100


async def test_before_the_first_sample_nothing_is_made_up() -> None:
    found = await Desk(None).look()
    assert (found["sampled_at"], found["score"]) == (None, None)
    assert set(found["latest"].values()) == {None}


async def test_what_a_machine_does_not_tell_is_null_and_no_part_of_the_score() -> None:
    found = await Desk(sample(0, None, connections=1)).look()
    assert found["latest"]["memory_bytes"] is None
    assert "memory" not in {part["name"] for part in found["score"]["parts"]}


async def test_open_alerts_are_told_in_short_with_the_worst_first() -> None:
    desk = Desk(sample(0))
    desk.incidents.raised(Incident.KICK_WAR, Fact("two take one device"))
    desk.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full"))
    await desk.alerts.start()
    desk.alerts.on_sample(None)
    found = await desk.look()
    assert [each["about"] for each in found["alerts"]] == ["store_away", "kick_war"]
    assert found["alerts"][0]["acknowledged"] is False
    await desk.alerts.stop(0.0)


async def test_how_far_a_drain_is_stands_in_the_glance() -> None:
    desk = Desk(sample(0))
    desk.world.node.drain.start("operator", target=None)
    found = await desk.look()
    assert set(found["drain"]) == {"phase", "left", "eta_s"}
    assert found["drain"]["phase"] != "none"
