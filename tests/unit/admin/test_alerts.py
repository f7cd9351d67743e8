"""Alerts, as operators ask for them."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from typing import Any

import httpx
import pytest

from keepline.admin.alerts import alert_routes
from keepline.admin.api import Readiness, create_api
from keepline.clock import ManualClock
from keepline.hub.twin import TwinHub
from keepline.log import Log
from keepline.monitor.alerts.alert import Account, Action
from keepline.monitor.alerts.alerts import Alerts
from keepline.monitor.alerts.incidents import Fact, Incident, Incidents
from keepline.monitor.alerts.silences import MOST
from keepline.settings.alerts import Alerts as Settings

WALL = 1_800_000_000.0


class Desk:
    """An operator of a node on which something went wrong."""

    def __init__(self) -> None:
        self.clock = ManualClock(wall=WALL)
        self.incidents = Incidents()
        self.account = Account(undone="it is calm")
        self.alerts = Alerts(
            Settings(),
            self.incidents,
            evaluate=lambda _now: (),
            account=lambda _: self.account,
            attentive=self.clock.now,
            is_leaving=lambda: False,
            is_durable=True,
            hub=TwinHub(self.clock),
            clock=self.clock,
            loop=asyncio.get_running_loop(),
            log=Log(StringIO(), ManualClock(), style="json"),
            notifiers=(),
        )
        self.incidents.raised(Incident.KICK_WAR, Fact("two take one device"))
        self.incidents.raised(Incident.STORE_AWAY, Fact("the disk is full"))
        self.api = create_api(
            ready=lambda: Readiness(ready=True),
            metrics=self._nothing,
            routers=[alert_routes(self.alerts, self.clock.wall)],
        )

    async def opened(self) -> Desk:
        await self.alerts.start()
        self.alerts.on_sample(None)
        return self

    async def _nothing(self) -> bytes:
        return b""

    async def ask(self, what: str = "", body: dict[str, Any] | None = None) -> tuple[int, Any]:
        transport = httpx.ASGITransport(self.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            path = f"/api/alerts{what}"
            answer = await (client.get(path) if body is None else client.post(path, json=body))
            return answer.status_code, json.loads(answer.content)


async def test_what_is_open_is_told_the_worst_first_with_what_to_do() -> None:
    desk = await Desk().opened()
    _, found = await desk.ask()
    assert [each["about"] for each in found["open"]] == ["store_away", "kick_war"]
    first = found["open"][0]
    assert (first["number"], first["status"], first["severity"]) == (2, "open", "high")
    assert (first["detail"], first["since"]) == ("the disk is full", "2027-01-15T08:00:00Z")
    assert "data_dir" in first["advice"]
    assert (first["actions"], first["undone"]) == ([], "it is calm")
    assert first["acknowledged"] is None
    assert found["recent"] == found["silences"] == []


async def test_what_is_over_is_told_the_latest_first_with_why() -> None:
    desk = await Desk().opened()
    for incident in (Incident.STORE_AWAY, Incident.KICK_WAR):
        desk.clock.advance(60)
        desk.incidents.cleared(incident)
        desk.alerts.on_sample(None)
    _, found = await desk.ask()
    assert [each["about"] for each in found["recent"]] == ["kick_war", "store_away"]
    assert found["recent"][1]["resolved_at"] == "2027-01-15T08:01:00Z"
    assert found["recent"][1]["resolution"] == "it does not hold any more"


async def test_what_was_done_is_told_with_its_effect() -> None:
    desk = await Desk().opened()
    desk.account = Account((Action(WALL, "nothing is pruned", "it goes on", WALL + 60),))
    desk.alerts.on_sample(None)
    first = (await desk.ask())[1]["open"][0]
    assert first["undone"] == ""
    assert first["actions"] == [
        {
            "at": "2027-01-15T08:00:00Z",
            "action": "nothing is pruned",
            "effect": "it goes on",
            "ended_at": "2027-01-15T08:01:00Z",
        }
    ]


async def test_an_open_alert_can_be_acknowledged_and_no_other() -> None:
    desk = await Desk().opened()
    status, found = await desk.ask("/acknowledge", {"number": 2, "by": "ann", "note": "on it"})
    assert status == 200
    assert found["acknowledged"] == {
        "at": "2027-01-15T08:00:00Z",
        "by": "ann",
        "note": "on it",
    }
    assert await desk.ask("/acknowledge", {"number": 9}) == (
        404,
        {"detail": "no alert 9 is open"},
    )


async def test_a_gauge_an_incident_or_a_kind_can_be_silenced_and_let_go() -> None:
    desk = await Desk().opened()
    assert (await desk.ask("/silence", {"about": "memory_bytes", "for_s": 60}))[0] == 200
    status, made = await desk.ask("/silence", {"kind": "incident", "for_s": 60, "by": "ann"})
    assert (status, made["number"], made["until"]) == (200, 2, "2027-01-15T08:01:00Z")
    assert len((await desk.ask())[1]["silences"]) == 2
    assert (await desk.ask("/unsilence", {"number": 2}))[0] == 200
    assert (await desk.ask("/unsilence", {"number": 2}))[0] == 404
    desk.clock.advance(60)
    assert (await desk.ask())[1]["silences"] == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"for_s": 60}, "say what is to be silent"),
        ({"about": "weather", "for_s": 60}, "no gauge and no incident"),
        ({"kind": "weather", "for_s": 60}, "kind may be anomaly, incident, threshold, trend"),
        ({"about": "leak", "for_s": 0}, "greater than 0"),
        ({"about": "leak", "for_s": 1e9}, "less than or equal"),
        ({"about": "leak", "for_s": 60, "note": "x" * 201}, "at most 200"),
    ],
)
async def test_a_silence_of_nothing_or_without_end_is_refused(
    asked: dict[str, Any], told: str
) -> None:
    status, found = await Desk().ask("/silence", asked)
    assert status == 422
    assert told in json.dumps(found)


async def test_too_many_silences_are_refused() -> None:
    desk = await Desk().opened()
    for _ in range(MOST):
        desk.alerts.silence(60, about="leak")
    assert (await desk.ask("/silence", {"about": "leak", "for_s": 60}))[0] == 409
