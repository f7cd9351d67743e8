"""One question to the machine: who is asked, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from keepline.admin.machine.whole import Whole
from keepline.admin.machine.workers import NOBODY, Question, Reply, Workers

Answer = Callable[[int, Question], tuple[int, Any]]


class Stand(Workers):
    """Two workers that answer as they are told to."""

    def __init__(self) -> None:
        super().__init__(lambda: [1, 2], lambda slot: Path(f"{slot}.admin"))
        self.asked: list[tuple[int, Question]] = []
        self.answer: Answer = lambda _slot, _question: (NOBODY, None)

    async def ask(self, slot: int, question: Question) -> Reply:
        self.asked.append((slot, question))
        status, told = self.answer(slot, question)
        return Reply(slot, status, json.dumps(told).encode())


class Operator:
    def __init__(self) -> None:
        self.workers = Stand()
        own = FastAPI()

        @own.post("/api/devices/{device_id:path}/send")
        async def send(device_id: str) -> dict[str, str]:
            return {"device_id": device_id}

        @own.get("/assets/{name}")
        async def file(name: str) -> str:
            return name

        self._whole = Whole(own, self.workers)

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        transport = httpx.ASGITransport(self._whole)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(method, path, json=body)
            return answer.status_code, answer.json()


@pytest.fixture
def operator() -> Operator:
    return Operator()


async def test_a_path_below_a_worker_is_asked_of_that_one_alone(operator: Operator) -> None:
    operator.workers.answer = lambda slot, _: (200, {"of": slot})
    found = await operator.ask("GET", "/workers/2/api/monitor/series?gauge=connections")
    assert found == (200, {"of": 2})
    [(slot, question)] = operator.workers.asked
    assert slot == 2
    assert (question.path, question.query) == ("/api/monitor/series", "gauge=connections")


async def test_a_worker_that_is_not_there_is_not_found(operator: Operator) -> None:
    status, told = await operator.ask("GET", "/workers/7/readyz")
    assert status == 404
    assert "there are 1, 2" in told["detail"]


async def test_what_cannot_be_made_one_is_to_be_asked_of_one(operator: Operator) -> None:
    status, told = await operator.ask("GET", "/api/capacity")
    assert status == 409
    assert "/workers/1/api/capacity" in told["detail"]
    assert operator.workers.asked == []


async def test_the_page_itself_is_told_by_whoever_is_asked(operator: Operator) -> None:
    assert await operator.ask("GET", "/assets/page.js") == (200, "page.js")
    assert operator.workers.asked == []


async def test_events_of_one_device_are_of_all_and_what_follows_is_asked_of_one(
    operator: Operator,
) -> None:
    operator.workers.answer = lambda slot, _: (
        200,
        {"events": [{"id": 7, "at": str(slot)}], "next": 7},
    )
    status, told = await operator.ask("GET", "/api/events?device=one&limit=1")
    assert (status, [each["id"] for each in told["events"]]) == (200, [702])
    assert (await operator.ask("GET", "/api/events?device=one&after=0"))[0] == 409
    assert (await operator.ask("GET", "/api/events"))[0] == 409


async def test_what_no_worker_finds_in_order_is_refused_as_by_one(operator: Operator) -> None:
    operator.workers.answer = lambda *_: (422, {"detail": "limit"})
    for path in ("/api/sessions/table?limit=x", "/api/monitor/series", "/api/glance"):
        assert await operator.ask("GET", path) == (422, {"detail": "limit"})


async def test_a_device_is_kicked_by_the_one_that_has_it(operator: Operator) -> None:
    kicked = {"device_id": "one", "session_id": "s", "claim": 3}
    operator.workers.answer = lambda slot, _: (
        (200, kicked) if slot == 2 else (404, {"detail": "it is not connected"})
    )
    assert await operator.ask("POST", "/api/devices/one/kick", {}) == (200, kicked)


async def test_a_device_that_none_has_is_not_found(operator: Operator) -> None:
    operator.workers.answer = lambda _slot, _question: (404, {"detail": "it is not connected"})
    found = await operator.ask("POST", "/api/devices/one/kick", {})
    assert found == (404, {"detail": "it is not connected"})


async def test_one_that_is_silent_may_have_the_device(operator: Operator) -> None:
    operator.workers.answer = lambda slot, _: (NOBODY, None) if slot == 1 else (404, {})
    assert (await operator.ask("POST", "/api/devices/one/kick", {}))[0] == 504


async def test_a_message_is_sent_once_by_whoever_is_asked(operator: Operator) -> None:
    found = await operator.ask("POST", "/api/devices/one/send", {"type": "alert"})
    assert found == (200, {"device_id": "one"})
    assert operator.workers.asked == []


async def test_no_worker_ready_is_503_and_none_that_answers_504(operator: Operator) -> None:
    assert (await operator.ask("GET", "/readyz"))[0] == 504
    operator.workers.answer = lambda *_: (503, {"ready": False, "reason": "full"})
    assert await operator.ask("GET", "/readyz") == (503, {"ready": False, "reason": "full"})


async def test_an_alert_is_acknowledged_at_its_worker(operator: Operator) -> None:
    operator.workers.answer = lambda _slot, question: (200, json.loads(question.body))
    asked = {"number": 302, "by": "me", "note": ""}
    status, told = await operator.ask("POST", "/api/alerts/acknowledge", asked)
    assert (status, told["number"], told["worker"]) == (200, 302, 2)
    [(slot, question)] = operator.workers.asked
    assert (slot, json.loads(question.body)["number"]) == (2, 3)


async def test_a_silence_of_the_machine_is_lifted_at_every_worker(operator: Operator) -> None:
    silence = {"about": "leak", "kind": "", "by": "me", "note": ""}
    other = {**silence, "about": "bans", "number": 9}

    def answer(slot: int, question: Question) -> tuple[int, Any]:
        silences = [{**silence, "number": slot + 4}, other]
        return 200, {"open": [], "recent": [], "silences": silences}

    operator.workers.answer = answer
    assert (await operator.ask("POST", "/api/alerts/unsilence", {"number": 501}))[0] == 200
    lifted = [(slot, json.loads(each.body)) for slot, each in operator.workers.asked if each.body]
    assert lifted == [(1, {"number": 5}), (2, {"number": 6})]


async def test_an_alert_that_is_none_is_refused_as_by_one_gateway(operator: Operator) -> None:
    operator.workers.answer = lambda *_: (200, {"open": [], "recent": [], "silences": []})
    assert (await operator.ask("POST", "/api/alerts/unsilence", {"number": "x"}))[0] == 404


async def test_a_device_is_revoked_when_all_workers_have_done_it(operator: Operator) -> None:
    revoked = {"device_id": "one", "revoked": True}
    operator.workers.answer = lambda *_: (200, revoked)
    asked = {"device_id": "one"}
    assert await operator.ask("POST", "/api/enrolment/revoke", asked) == (200, revoked)
    assert [slot for slot, _ in operator.workers.asked] == [1, 2]
    operator.workers.answer = lambda slot, _: (NOBODY, None) if slot == 2 else (200, revoked)
    status, told = await operator.ask("POST", "/api/enrolment/revoke", asked)
    assert (status, told["detail"]) == (504, "worker 2 has not answered: ask again")
