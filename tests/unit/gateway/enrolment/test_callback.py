from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import httpx
import pytest

from keepline.clock import ManualClock
from keepline.errors import RefusedError
from keepline.gateway.enrolment.applicant import Applicant
from keepline.gateway.enrolment.callback import (
    ANSWER_BYTES,
    FAILURES,
    MOST_UNDER_WAY,
    PAUSE_S,
    Callback,
)
from keepline.gateway.enrolment.ledger import Ledger, Memory
from keepline.gateway.enrolment.policies import Verdict
from keepline.log import Log
from keepline.settings.enrolment import Enrolment
from tests.unit.gateway.fakes import device_request, settle

DEVICE = Applicant("02:ab:00:00:00:01", "c", serial="S1", board="bread", address="192.0.2.1")


class Asked:
    """A callback whose server is a function, and what it was asked."""

    def __init__(self, answer: Callable[[], Any], **settings: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.clock = ManualClock()
        self.lines = StringIO()
        self.ledger = Ledger(Memory(), asyncio.get_running_loop(), None)

        async def respond(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            result = answer()
            said: httpx.Response = await result if asyncio.iscoroutine(result) else result
            stream = httpx.ByteStream(said.content)  # not read before we read it
            return httpx.Response(said.status_code, headers=said.headers, stream=stream)

        document = {"callback_url": "http://owners.lan/enrol", "callback_token": "geheim"}
        self.policy = Callback(
            Enrolment.model_validate(document | settings),
            self.ledger,
            self.clock,
            Log(self.lines, self.clock, style="json"),
            transport=httpx.MockTransport(respond),
        )

    async def judge(self) -> Verdict:
        return await self.policy.judge(DEVICE, device_request())

    async def status(self) -> int | None:
        with pytest.raises(RefusedError) as refused:
            await self.judge()
        return refused.value.reason.status


def says(status: int, **options: Any) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, **options)


async def test_it_is_told_who_asks_and_shown_our_token() -> None:
    asked = Asked(says(204))
    assert await asked.judge() == Verdict()
    [request] = asked.requests
    assert request.headers["authorization"] == "Bearer geheim"
    assert json.loads(request.content) == {
        "device_id": "02:ab:00:00:00:01",
        "client_id": "c",
        "serial": "S1",
        "board": "bread",
        "version": "",
        "address": "192.0.2.1",
    }


async def test_it_may_name_the_token_itself() -> None:
    assert await Asked(says(200, json={"token": "theirs"})).judge() == Verdict(token="theirs")
    assert await Asked(says(200, json={})).judge() == Verdict()
    assert await Asked(says(200, text="welcome")).judge() == Verdict()


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_no_is_403_for_the_device(status: int) -> None:
    assert await Asked(says(status)).status() == 403


def fails() -> httpx.Response:
    raise httpx.ConnectError("no")


@pytest.mark.parametrize(
    "answer",
    [
        fails,
        says(500),
        says(302, headers={"location": "http://elsewhere.lan/"}),
        says(200, json=[]),
        says(200, json={"token": 7}),
        says(200, json={"token": "two words"}),
        says(200, json={"token": ""}),
        says(200, json={"token": "t" * 2_049}),
        says(200, content=b"{" * 100, headers={"content-type": "application/json"}),
    ],
)
async def test_whatever_else_it_says_gives_nobody_a_token(answer: Any) -> None:
    asked = Asked(answer)
    assert await asked.status() == 503
    assert "geheim" not in asked.lines.getvalue()
    assert len(asked.requests) == 1


async def test_an_answer_has_a_limit() -> None:
    assert await Asked(says(200, content=b" " * ANSWER_BYTES)).judge() == Verdict()
    assert await Asked(says(200, content=b" " * (ANSWER_BYTES + 1))).status() == 503


async def test_no_answer_in_time_is_503() -> None:
    asked = Asked(lambda: asyncio.sleep(3_600), callback_timeout_s=0.01)
    assert await asked.status() == 503


async def test_nobody_keeps_others_out_by_questions_that_the_server_dislikes() -> None:
    asked = Asked(says(422))
    for _ in range(FAILURES + 1):
        assert await asked.status() == 503
    assert len(asked.requests) == FAILURES + 1


async def test_who_does_not_answer_is_left_alone_for_a_while() -> None:
    asked = Asked(says(500))
    for _ in range(FAILURES):
        await asked.status()
    assert await asked.status() == 503
    assert len(asked.requests) == FAILURES
    asked.clock.advance(PAUSE_S)
    await asked.status()
    assert len(asked.requests) == FAILURES + 1


async def test_only_so_many_are_asked_about_at_once() -> None:
    gate = asyncio.Event()

    async def slow() -> httpx.Response:
        await gate.wait()
        return httpx.Response(204)

    asked = Asked(slow, callback_timeout_s=30.0)
    waiting = [asyncio.create_task(asked.judge()) for _ in range(MOST_UNDER_WAY)]
    await settle()
    assert await asked.status() == 503
    gate.set()
    assert await asyncio.gather(*waiting) == [Verdict()] * MOST_UNDER_WAY
    assert await asked.judge() == Verdict()


async def test_a_device_that_leaves_meanwhile_is_no_failure_of_the_callback() -> None:
    asked = Asked(lambda: asyncio.sleep(3_600), callback_timeout_s=30.0)
    for _ in range(FAILURES + 1):
        task = asyncio.create_task(asked.judge())
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(asked.requests) == FAILURES + 1


async def test_about_the_revoked_nobody_is_asked() -> None:
    asked = Asked(says(204))
    await asked.ledger.revoke(DEVICE.device_id, 0.0)
    assert await asked.status() == 403
    assert asked.requests == []


async def test_it_can_be_closed() -> None:
    asked = Asked(says(204))
    await asked.policy.aclose()
    with pytest.raises(RuntimeError):
        await asked.judge()
