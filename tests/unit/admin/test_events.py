"""The routes about events, asked of a node whose clock is moved by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.admin.events import PAGE_LIMIT as EVENTS_LIMIT
from tests.unit.admin.test_devices import Desk


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_events_are_the_newest_ones_or_those_behind_one(desk: Desk) -> None:
    for device_id in ("one", "two"):
        claim = await desk.world.node.memory.claim(device_id, device_id)
        life = desk.world.connect(device_id)
        assert claim.number
        life.loses_tcp()
    _, newest = await desk.ask("/api/events", limit=2)
    kinds = [(event["device_id"], event["kind"]) for event in newest["events"]]
    assert kinds == [("two", "online"), ("two", "offline")]
    assert newest["events"][1]["data"]["cause"] == "device_closed"
    _, all_of_one = await desk.ask("/api/events", after=0, device="one")
    assert [event["kind"] for event in all_of_one["events"]] == ["online", "offline"]
    _, none = await desk.ask("/api/events", after=newest["next"])
    assert none == {"events": [], "next": newest["next"]}


async def test_an_ending_among_events_says_of_each_transition_who_began_it(desk: Desk) -> None:
    desk.world.connect("one").loses_tcp()
    _, found = await desk.ask("/api/events", device="one")
    last = found["events"][-1]["data"]["steps"][-1]
    assert last == {
        "previous": "active",
        "state": "cleanup",
        "event": "hung_up",
        "initiator": "device",
        "cause": "device_closed",
        "after_s": 0.0,
    }


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"cause":"a","initiator":"us","steps":[1]}'])
async def test_an_ending_of_another_version_is_an_event_as_it_is(desk: Desk, data: bytes) -> None:
    desk.world.node.hub.emit("one", "offline", data)
    _, found = await desk.ask("/api/events", device="one")
    assert found["events"][-1]["data"] == json.loads(data)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": 0}, 422),
        ({"limit": 1}, 200),
        ({"limit": EVENTS_LIMIT}, 200),
        ({"limit": EVENTS_LIMIT + 1}, 422),
        ({"after": -1}, 422),
        ({"device": "x" * 128}, 200),
        ({"device": "x" * 129}, 422),
    ],
)
async def test_what_is_asked_of_events_is_checked(
    desk: Desk, query: dict[str, Any], status: int
) -> None:
    assert (await desk.ask("/api/events", **query))[0] == status
