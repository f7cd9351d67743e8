"""Operators who ask a process while the one before it, which leaves, has devices still."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from keepline.admin.api import Readiness, create_api
from keepline.admin.devices import device_routes
from keepline.admin.former import Asked, Former, answer
from keepline.errors import NoAnswerError
from keepline.gateway.holder import NodeHolder
from keepline.lifecycle.states import State
from tests.unit.gateway.fakes import World

CUSTOM = {"type": "custom", "payload": {"a": 1}}


class Two:
    """Two nodes whose claims have numbers in common, and an operator who asks the newer one."""

    def __init__(self) -> None:
        self.older, self.newer = World(), World()
        self.newer.claims = self.older.claims
        self.silent = False
        self.says: Any = None
        self.api = create_api(
            ready=lambda: Readiness(ready=True),
            metrics=self._nothing,
            routers=[device_routes(self.newer.node, Former(self._carry))],
        )

    async def _nothing(self) -> bytes:
        return b""

    async def _carry(self, asked: Asked) -> Any:
        if self.silent:
            raise NoAnswerError("the process that leaves has not answered within 4 s")
        return self.says or await answer(self.older.node, asked)

    async def ask(self, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        transport = httpx.ASGITransport(self.api)
        method = "GET" if body is None else "POST"
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            said = await client.request(method, path, params=query, json=body)
            return said.status_code, said.json()


@pytest.fixture
async def two() -> Two:
    two = Two()
    await two.older.hub.start(NodeHolder(two.older.node, "older"), 60.0)
    await two.newer.hub.start(NodeHolder(two.newer.node, "newer"), 60.0)
    return two


async def test_sessions_of_both_are_listed_once_in_the_order_of_their_coming(two: Two) -> None:
    for number in range(10):
        (two.older if number % 2 else two.newer).connect(f"device-{number}")
    listed: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        status, page = await two.ask("/api/sessions", cursor=cursor, limit=3)
        assert (status, page["total"], page["former"]) == (200, 10, "none")
        assert len(page["sessions"]) <= 3
        for each in page["sessions"]:
            assert each["former"] is (int(each["device_id"][-1]) % 2 == 1)
        listed += [each["device_id"] for each in page["sessions"]]
        cursor = page["next"]
    assert listed == [f"device-{number}" for number in range(10)]


async def test_a_filter_reaches_those_of_the_former_process_as_well(two: Two) -> None:
    two.older.connect("one")
    idle = two.older.connect("another")
    two.older.pass_time(61.0)
    assert idle.connection.lifecycle.state is State.IDLE
    _, page = await two.ask("/api/sessions", state="idle", prefix="an")
    assert [each["device_id"] for each in page["sessions"]] == ["another"]


async def test_a_device_of_the_former_process_is_told_with_where_it_is(two: Two) -> None:
    two.older.connect("one")
    status, view = await two.ask("/api/devices/ONE")
    assert (status, view["session"]["device_id"], view["session"]["former"]) == (200, "one", True)


async def test_a_device_of_the_former_process_is_kicked_and_sent_to(two: Two) -> None:
    life = two.older.connect("one")
    assert await two.ask("/api/devices/ONE/send", CUSTOM) == (200, {"device_id": "one"})
    assert life.heard[-1] == CUSTOM
    status, _ = await two.ask("/api/devices/one/send", {"type": "nothing"})
    assert status == 422
    status, kicked = await two.ask("/api/devices/one/kick", {})
    assert (status, kicked["session_id"]) == (200, life.session.session_id)
    assert life.transport.close_code == 4002
    assert two.older.logged("device_kicked")


async def test_a_device_that_has_come_over_is_asked_of_nobody_else(two: Two) -> None:
    two.older.connect("one")
    life = two.newer.connect("one")
    assert (await two.ask("/api/devices/one/kick", {}))[0] == 200
    assert life.transport.close_code == 4002
    assert not two.older.logged("device_kicked")


@pytest.mark.parametrize("path", ["/kick", "/send"])
async def test_what_neither_has_is_not_found(two: Two, path: str) -> None:
    status, said = await two.ask(f"/api/devices/one{path}", CUSTOM)
    assert (status, "one is not connected" in said["detail"]) == (404, True)


async def test_a_former_process_that_does_not_answer_is_told_as_that(two: Two) -> None:
    two.newer.connect("here")
    two.silent = True
    status, page = await two.ask("/api/sessions")
    assert (status, page["total"], page["former"]) == (200, 1, "silent")
    for path, body in (("", None), ("/kick", {}), ("/send", CUSTOM)):
        status, said = await two.ask(f"/api/devices/one{path}", body)
        assert (status, "has not answered" in said["detail"]) == (504, True)
    assert (await two.ask("/api/devices/here"))[0] == 200


@pytest.mark.parametrize("says", [{"session": 1}, [1], "?", {"cannot": "failed", "why": "x"}])
async def test_an_answer_that_cannot_be_read_is_no_answer(two: Two, says: Any) -> None:
    two.says = says
    assert (await two.ask("/api/devices/one/kick", {}))[0] == 504


@pytest.mark.parametrize("asked", [{}, {"what": "dance"}, {"what": "kick"}, {"what": "sessions"}])
async def test_a_question_that_is_none_is_answered_with_that(two: Two, asked: Asked) -> None:
    assert (await answer(two.older.node, asked))["cannot"] == "failed"
