"""The routes about devices, asked of a node whose clock is moved by hand."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import httpx
import pytest

from keepline.admin.api import Readiness, create_api
from keepline.admin.devices import PAGE_LIMIT, device_routes
from keepline.admin.events import event_routes
from keepline.admin.own import page_of
from keepline.admin.slices import SLICE
from keepline.errors import HubDownError, NoAnswerError, RefusedError
from keepline.gateway.endings import refusal_of
from keepline.gateway.holder import NodeHolder
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World, device_request


class Desk:
    """An operator who asks for devices."""

    def __init__(self) -> None:
        self.world = World()
        node = self.world.node
        self.api = create_api(
            ready=lambda: Readiness(ready=True),
            metrics=self._nothing,
            routers=[device_routes(node), event_routes(node.hub)],
        )

    async def _nothing(self) -> bytes:
        return b""

    async def ask(
        self, path: str, method: str = "GET", body: Any = None, **query: Any
    ) -> tuple[int, Any]:
        transport = httpx.ASGITransport(self.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(method, path, params=query, json=body)
            return answer.status_code, answer.json()

    async def pages(self, **query: Any) -> list[list[str]]:
        """Read on until there are no more pages; return the device ids of each."""
        pages, cursor = [], 0
        while cursor is not None:
            status, page = await self.ask("/api/sessions", cursor=cursor, **query)
            assert status == 200
            pages.append([session["device_id"] for session in page["sessions"]])
            cursor = page["next"]
        return pages


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_a_gateway_without_devices_lists_none(desk: Desk) -> None:
    nothing = {"total": 0, "sessions": [], "next": None, "former": "none"}
    assert await desk.ask("/api/sessions") == (200, nothing)


async def test_a_session_is_listed_with_what_it_is_like(desk: Desk) -> None:
    life = desk.world.connect("one")
    life.connection.address = "192.0.2.7"
    desk.world.pass_time(31.0)
    _, page = await desk.ask("/api/sessions")
    [session] = page["sessions"]
    assert session["device_id"] == "one"
    assert "client-1" not in json.dumps(page)  # a secret, to the enrolment
    assert session["session_id"] == life.session.session_id
    assert (session["claim"], session["state"], session["profile"]) == (1, "idle", "xiaozhi")
    assert session["age_s"] == pytest.approx(31, abs=0.2)
    assert session["last_frame_s"] == pytest.approx(31, abs=0.2)
    assert session["last_byte_s"] == pytest.approx(31, abs=0.2)
    assert session["average_rtt_s"] is None
    assert session["pings"] > 0
    assert session["address"] == "192.0.2.7"


@pytest.mark.parametrize(("devices", "pages"), [(5, [3, 2]), (6, [3, 3]), (7, [3, 3, 1])])
async def test_pages_hold_everybody_once_in_the_order_of_coming(
    desk: Desk, devices: int, pages: list[int]
) -> None:
    ids = [f"device-{number}" for number in range(devices)]
    for device_id in ids:
        desk.world.connect(device_id)
    got = await desk.pages(limit=3)
    assert [len(page) for page in got] == pages
    assert [device_id for page in got for device_id in page] == ids


async def test_who_leaves_between_two_pages_takes_nobody_off_the_next(desk: Desk) -> None:
    lives = [desk.world.connect(f"device-{number}") for number in range(6)]
    _, first = await desk.ask("/api/sessions", limit=3)
    for life in lives[:3]:
        life.loses_tcp()
    _, second = await desk.ask("/api/sessions", limit=3, cursor=first["next"])
    assert [each["device_id"] for each in second["sessions"]] == [
        "device-3",
        "device-4",
        "device-5",
    ]
    assert second["total"] == 3


async def test_who_came_while_the_store_was_away_is_on_the_first_page(desk: Desk) -> None:
    for number in range(4):
        life = desk.world.connect(f"device-{number}")
        life.session.claim *= number % 2
    got = await desk.pages(limit=1)
    assert [len(page) for page in got] == [3, 1]
    assert {device_id for page in got for device_id in page} == {f"device-{n}" for n in range(4)}


async def test_a_filter_by_state_and_beginning_leaves_only_those(desk: Desk) -> None:
    desk.world.connect("a-old")
    desk.world.pass_time(31.0)
    for device_id in ("a-new", "b-new"):
        desk.world.connect(device_id)
    assert await desk.pages(state="idle") == [["a-old"]]
    assert await desk.pages(state="active") == [["a-new", "b-new"]]
    assert await desk.pages(prefix="a-") == [["a-old", "a-new"]]
    assert await desk.pages(prefix="a-", state="active") == [["a-new"]]
    assert await desk.pages(prefix="nobody") == [[]]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 0}, 422),
        ({"limit": 1}, 200),
        ({"limit": PAGE_LIMIT}, 200),
        ({"limit": PAGE_LIMIT + 1}, 422),
        ({"cursor": -1}, 422),
        ({"cursor": "x"}, 422),
        ({"state": "tired"}, 422),
        ({"prefix": "x" * 128}, 200),
        ({"prefix": "x" * 129}, 422),
    ],
)
async def test_what_is_asked_is_checked(desk: Desk, query: dict[str, Any], status: int) -> None:
    assert (await desk.ask("/api/sessions", **query))[0] == status


@pytest.mark.parametrize(("prefix", "found", "least_turns"), [("nobody", 0, 4), ("", SLICE * 4, 8)])
async def test_a_large_listing_lets_others_have_their_turn(
    desk: Desk, prefix: str, found: int, least_turns: int
) -> None:
    for number in range(SLICE * 4):
        desk.world.connect(f"device-{number}")
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    page = await page_of(desk.world.node, state=None, prefix=prefix, cursor=0, limit=PAGE_LIMIT)
    beside.cancel()
    assert len(page.sessions) == found
    assert len(turns) >= least_turns


async def test_a_session_that_leaves_in_the_middle_of_a_listing_does_no_harm(desk: Desk) -> None:
    lives = [desk.world.connect(f"device-{number}") for number in range(SLICE * 2)]
    listing = asyncio.create_task(
        page_of(desk.world.node, state=None, prefix="", cursor=0, limit=PAGE_LIMIT)
    )
    await asyncio.sleep(0)
    for life in lives:
        life.loses_tcp()
    page = await listing
    claims = [session.claim for session in page.sessions]
    assert all(one < other for one, other in pairwise(claims))
    assert page.total < len(lives)


async def test_a_device_that_is_connected_is_told_with_its_former_endings(desk: Desk) -> None:
    desk.world.connect("one").loses_tcp()
    desk.world.pass_time(60.0)
    desk.world.connect("one")
    status, device = await desk.ask("/api/devices/one")
    assert status == 200
    assert device["session"]["claim"] == 2
    [ending] = device["endings"]
    assert (ending["cause"], ending["initiator"]) == ("device_closed", "device")
    assert (ending["code"], ending["advice"], ending["newer_claim"]) == (None, None, None)
    assert ending["ago_s"] == pytest.approx(60, abs=0.2)
    assert ending["at"].startswith("2027-01-15T")


async def test_a_device_that_has_left_is_told_by_its_endings_alone(desk: Desk) -> None:
    life = desk.world.connect("one")
    life.connection.close(CloseReason.KICKED)
    life.loses_tcp()
    _, device = await desk.ask("/api/devices/one")
    assert device["session"] is None
    [ending] = device["endings"]
    assert (ending["code"], ending["advice"], ending["state"]) == (4002, "stay_away", "active")


async def test_a_device_that_was_never_let_in_is_told_by_its_refusals(desk: Desk) -> None:
    error = RefusedError("token missing or wrong", CloseReason.UNAUTHORIZED)
    request = device_request(address="192.0.2.7")
    desk.world.node.refusals.note(refusal_of(error, request, "", desk.world.clock.wall()))
    _, device = await desk.ask("/api/devices/device-1")
    assert (device["session"], device["endings"]) == (None, [])
    [refusal] = device["refusals"]
    assert (refusal["cause"], refusal["status"]) == ("unauthorized", 401)
    assert (refusal["advice"], refusal["address"]) == ("stay_away", "192.0.2.7")


async def test_a_device_that_nobody_knows_is_not_found_and_why_is_said(desk: Desk) -> None:
    status, answer = await desk.ask("/api/devices/nobody")
    assert status == 404
    assert answer["detail"].startswith("nothing is known of nobody: ")


@pytest.mark.parametrize("written", ["02:00:AB", "02:00:ab"])
async def test_a_mac_address_may_be_written_in_capitals(desk: Desk, written: str) -> None:
    desk.world.connect("02:00:ab")
    assert (await desk.ask(f"/api/devices/{written}"))[1]["device_id"] == "02:00:ab"
    assert (await desk.ask(f"/api/devices/{written}/kick", "POST"))[0] == 200


@pytest.mark.parametrize(
    ("written", "status"), [("a%20b", 422), ("%1b", 422), ("x" * 129, 422), ("x" * 128, 404)]
)
async def test_what_is_no_id_is_not_even_looked_for(desk: Desk, written: str, status: int) -> None:
    assert (await desk.ask(f"/api/devices/{written}"))[0] == status
    assert (await desk.ask(f"/api/devices/{written}/kick", "POST"))[0] == status


async def test_an_id_with_a_slash_is_found_as_well(desk: Desk) -> None:
    desk.world.connect("hall/lamp")
    assert (await desk.ask("/api/devices/hall/lamp"))[1]["device_id"] == "hall/lamp"
    assert (await desk.ask("/api/devices/hall%2Flamp/kick", "POST"))[0] == 200


async def test_a_kicked_device_is_told_4002_and_the_deed_is_logged(desk: Desk) -> None:
    life = desk.world.connect("one")
    status, answer = await desk.ask("/api/devices/one/kick", "POST")
    session_id = life.session.session_id
    assert (status, answer) == (200, {"device_id": "one", "session_id": session_id, "claim": 1})
    assert life.transport.close_code == 4002
    assert len(desk.world.logged("device_kicked")) == 1


async def test_who_is_not_connected_cannot_be_kicked(desk: Desk) -> None:
    desk.world.connect("one").loses_tcp()
    status, answer = await desk.ask("/api/devices/one/kick", "POST")
    assert (status, answer["detail"]) == (404, "one is not connected to this gateway")


async def test_every_route_is_described_with_the_shape_of_its_answer(desk: Desk) -> None:
    _, description = await desk.ask("/openapi.json")
    for path, method in (
        ("/api/sessions", "get"),
        ("/api/devices/{device_id}", "get"),
        ("/api/devices/{device_id}/kick", "post"),
        ("/api/devices/{device_id}/send", "post"),
        ("/api/events", "get"),
    ):
        answer = description["paths"][path][method]["responses"]["200"]
        assert "$ref" in json.dumps(answer)


# -- from the hub --------------------------------------------------------------------------


@pytest.mark.parametrize(("endings", "pages"), [(2, [2]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
async def test_endings_come_newest_first_and_page_by_page(
    desk: Desk, endings: int, pages: list[int]
) -> None:
    for _ in range(endings):
        desk.world.connect("one").loses_tcp()
    got: list[list[int]] = []
    cursor = None
    while not got or cursor is not None:
        query: dict[str, Any] = {"limit": 3} if cursor is None else {"limit": 3, "after": cursor}
        _, device = await desk.ask("/api/devices/one", **query)
        got.append([ending["claim"] for ending in device["endings"]])
        cursor = device["next"]
    assert [len(page) for page in got] == pages
    assert [claim for page in got for claim in page] == list(range(endings, 0, -1))


async def test_a_device_is_told_with_transitions_and_totals(desk: Desk) -> None:
    life = desk.world.connect("one")
    desk.world.pass_time(31.0)
    life.loses_tcp()
    desk.world.connect("one")
    _, device = await desk.ask("/api/devices/one")
    assert [step["state"] for step in device["session"]["steps"]] == ["authenticating", "active"]
    assert [step["state"] for step in device["endings"][0]["steps"]][-2:] == ["idle", "cleanup"]
    assert (device["totals"]["sessions"], device["store"]) == (1, "here")
    assert device["totals"]["connected_s"] == pytest.approx(31, abs=0.2)


async def test_each_transition_is_told_with_who_began_it_and_why_also_afterwards(
    desk: Desk,
) -> None:
    life = desk.world.connect("one")
    desk.world.pass_time(31.0)
    _, there = await desk.ask("/api/devices/one")
    await desk.ask("/api/devices/one/kick", "POST")
    _, leaving = await desk.ask("/api/devices/one")
    life.loses_tcp()
    _, gone = await desk.ask("/api/devices/one")

    def told(steps: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
        return [
            (each["previous"], each["state"], each["initiator"], each["cause"]) for each in steps
        ]

    passed = [
        ("connecting", "authenticating", "device", "its request was in order"),
        ("authenticating", "active", "device", "its hello was accepted"),
        ("active", "idle", "us", "no data for session.idle_after_s"),
        ("idle", "disconnecting", "operator", "kicked"),
        ("disconnecting", "cleanup", "device", "it hung up"),
    ]
    assert told(there["session"]["steps"]) == passed[:3]
    assert there["session"]["state_s"] == pytest.approx(1, abs=0.2)
    assert told(leaving["session"]["steps"]) == passed[:4]
    assert told(gone["endings"][0]["steps"]) == passed


@pytest.fixture
def away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise HubDownError("the store cannot be used: database is locked")

    for name in ("totals", "latest", "events"):
        monkeypatch.setattr(desk.world.hub, name, fail)


@pytest.mark.usefixtures("away")
async def test_with_the_store_away_what_is_in_memory_is_told_and_the_rest_not_known(
    desk: Desk,
) -> None:
    desk.world.connect("one")
    status, device = await desk.ask("/api/devices/one")
    assert (status, device["store"], device["totals"]) == (200, "away", None)
    assert device["session"]["device_id"] == "one"
    status, answer = await desk.ask("/api/devices/gone")
    assert status == 503
    assert "not known now" in answer["detail"]
    assert (await desk.ask("/api/events"))[0] == 503


@pytest.mark.parametrize(
    ("query", "status"),
    [({"limit": 0}, 422), ({"limit": 100}, 200), ({"limit": 101}, 422), ({"after": 0}, 422)],
)
async def test_what_is_asked_of_a_devices_endings_is_checked(
    desk: Desk, query: dict[str, Any], status: int
) -> None:
    desk.world.connect("one")
    assert (await desk.ask("/api/devices/one", **query))[0] == status


# -- sending -------------------------------------------------------------------------------


async def test_a_message_is_sent_to_the_device_and_the_deed_is_logged(desk: Desk) -> None:
    await desk.world.hub.start(NodeHolder(desk.world.node, "local"), 60.0)
    life = desk.world.connect("one")
    message = {"type": "custom", "payload": {"a": 1}}
    assert await desk.ask("/api/devices/ONE/send", "POST", body=message) == (
        200,
        {"device_id": "one"},
    )
    assert life.heard[-1] == message
    assert desk.world.logged("message_sent")[0]["type"] == "custom"


@pytest.mark.parametrize(
    ("device_id", "body", "status", "words"),
    [
        ("nobody", {"type": "custom", "payload": 1}, 404, "nobody is not connected"),
        ("one", {"type": "alert"}, 422, "no device understands this message"),
        ("one", {"type": "listen", "state": "start"}, 422, "no device is sent the type 'listen'"),
        ("one", {}, 422, "no device understands this message"),
        ("one", [], 422, ""),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_why_is_said(
    desk: Desk, device_id: str, body: Any, status: int, words: str
) -> None:
    await desk.world.hub.start(NodeHolder(desk.world.node, "local"), 60.0)
    life = desk.world.connect("one")
    got, answer = await desk.ask(f"/api/devices/{device_id}/send", "POST", body=body)
    assert got == status
    assert words in str(answer["detail"])
    assert len(life.heard) == 1


@pytest.mark.parametrize(("error", "status"), [(NoAnswerError, 504), (HubDownError, 503)])
async def test_a_message_of_which_nothing_is_known_is_told_as_that(
    desk: Desk, error: type[Exception], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise error("nobody knows")

    monkeypatch.setattr(desk.world.hub, "send", fail)
    answer = await desk.ask("/api/devices/one/send", "POST", body={})
    assert answer == (status, {"detail": "nobody knows"})
