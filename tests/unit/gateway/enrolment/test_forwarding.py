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
from keepline.gateway.enrolment.forwarding import (
    ANSWER_BYTES,
    FAILURES,
    MOST_UNDER_WAY,
    PAUSE_S,
    Forwarding,
)
from keepline.log import Log
from keepline.reasons import CloseReason
from keepline.settings.enrolment import Enrolment
from keepline.wire.handshake import Request
from tests.unit.gateway.fakes import device_request, settle

URL = "ws://keepline.lan:8000/xiaozhi/v1/"
ANSWER = {"websocket": {"url": "ws://voice.lan/", "token": "theirs"}}
SAID = {
    "host": "keepline.lan",
    "device-id": "02:ab:00:00:00:01",
    "client-id": "c",
    "activation-version": "2",
    "serial-number": "S1",
    "user-agent": "bread/2.0",
    "accept-language": "de-DE",
    "content-type": "application/json",
    "authorization": "Bearer geheim",
    "cookie": "geheim",
    "connection": "keep-alive",
    "x-forwarded-for": "203.0.113.9",
    "accept-encoding": "gzip",
}


class Asked:
    """A voice server that is a function, and what it was asked."""

    def __init__(self, answer: Callable[[], Any], **settings: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.clock = ManualClock()
        self.lines = StringIO()

        async def respond(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            result = answer()
            said: httpx.Response = await result if asyncio.iscoroutine(result) else result
            stream = httpx.ByteStream(said.content)  # not read before we read it
            return httpx.Response(said.status_code, headers=said.headers, stream=stream)

        document = {"upstream_url": "http://voice.lan:8003/xiaozhi/ota/"}
        self.forwarding = Forwarding(
            Enrolment.model_validate(document | settings),
            self.clock,
            Log(self.lines, self.clock, style="json"),
            transport=httpx.MockTransport(respond),
        )

    async def configure(self, request: Request | None = None) -> Any:
        response = await self.forwarding.configure(request or asking(), URL, None)
        return json.loads(response.partition(b"\r\n\r\n")[2])

    async def refused(self) -> RefusedError:
        with pytest.raises(RefusedError) as refused:
            await self.configure()
        return refused.value


def asking(**fields: Any) -> Request:
    return device_request(
        method="POST",
        path="/xiaozhi/ota/",
        key=None,
        body=b'{"version":2}',
        address="192.0.2.1",
        **{"headers": SAID} | fields,
    )


def says(status: int = 200, **options: Any) -> Callable[[], httpx.Response]:
    if not options.keys() & {"json", "content"}:
        options["json"] = ANSWER
    return lambda: httpx.Response(status, **options)


async def test_it_is_asked_in_the_device_s_words_and_no_others() -> None:
    asked = Asked(says())
    await asked.configure()
    [request] = asked.requests
    assert (request.method, str(request.url)) == ("POST", "http://voice.lan:8003/xiaozhi/ota/")
    assert request.content == b'{"version":2}'
    passed = {name: request.headers[name] for name in SAID if name in request.headers}
    kept = ("device-id", "client-id", "activation-version", "serial-number", "user-agent")
    assert {name: passed.pop(name) for name in kept} == {name: SAID[name] for name in kept}
    assert passed.pop("accept-language") == "de-DE"
    assert passed.pop("x-forwarded-for") == "192.0.2.1"
    assert passed.pop("accept-encoding") == "identity"
    assert passed.pop("host") == "voice.lan:8003"
    assert not any("geheim" in value for value in request.headers.values())


async def test_a_header_that_is_no_ascii_is_passed_on_as_it_came() -> None:
    asked = Asked(lambda: httpx.Response(200, json=ANSWER))
    await asked.configure(asking(headers={**SAID, "user-agent": "caf\xe9/2"}))
    sent = dict(asked.requests[0].headers.raw)
    assert {name.lower(): value for name, value in sent.items()}[b"user-agent"] == b"caf\xe9/2"


async def test_the_query_says_nobody_else_than_the_headers_and_no_token() -> None:
    asked = Asked(lambda: httpx.Response(200, json=ANSWER))
    query = {"device-id": "another", "authorization": "geheim", "room": "a b"}
    await asked.configure(asking(query=query))
    assert dict(asked.requests[0].url.params) == {"room": "a b"}
    await asked.configure(asking(query=query, headers={"host": "keepline.lan"}))
    assert dict(asked.requests[1].url.params) == {"device-id": "another", "room": "a b"}


async def test_its_answer_is_passed_on_with_our_address() -> None:
    answer = await Asked(says()).configure()
    assert answer == {"websocket": {"url": URL, "token": "theirs"}}


async def test_mqtt_is_passed_on_where_the_settings_say_so() -> None:
    both = says(json=ANSWER | {"mqtt": {"endpoint": "m"}})
    assert "mqtt" not in await Asked(both).configure()
    assert "mqtt" in await Asked(both, upstream_mqtt=True).configure()


@pytest.mark.parametrize("base", ["http://voice.lan/ota", "http://voice.lan/ota/"])
@pytest.mark.parametrize("status", [200, 202])
async def test_an_activation_is_relayed_with_its_status(base: str, status: int) -> None:
    asked = Asked(says(status, content=b"<hostile>"), upstream_url=base)
    response = await asked.forwarding.activate(asking())
    assert str(asked.requests[0].url) == "http://voice.lan/ota/activate"
    assert response.startswith(f"HTTP/1.1 {status} ".encode())
    assert response.endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *((400, 400), (401, 403), (403, 403), (404, 404), (405, 400), (418, 400), (429, 429)),
        *((202, 503), (204, 503), (301, 503), (302, 503), (307, 503), (408, 503)),
        *((500, 503), (502, 503), (503, 503)),
    ],
)
async def test_a_status_says_what_the_device_hears(theirs: int, ours: int) -> None:
    asked = Asked(says(theirs, headers={"location": "http://evil/"}))
    assert (await asked.refused()).reason.status == ours
    assert len(asked.requests) == 1  # nobody is sent elsewhere


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [("7", 7), ("0", 1), ("99999", 3_600), ("-1", 10), ("soon", 10), ("9" * 5_000, 10), ("", 10)],
)
async def test_when_to_come_back_is_passed_on_within_reason(said: str, wait_s: int) -> None:
    for status in (429, 503):
        asked = Asked(says(status, headers={"retry-after": said}))
        assert (await asked.refused()).retry_after_s == wait_s


@pytest.mark.parametrize("over", [0, 1])
async def test_the_size_of_an_answer_is_bounded(over: int) -> None:
    empty = json.dumps({"a": ""}).encode()
    body = json.dumps({"a": "x" * (ANSWER_BYTES - len(empty) + over)}).encode()
    asked = Asked(says(content=body))
    if over:
        assert (await asked.refused()).reason is CloseReason.UPSTREAM_UNAVAILABLE
    else:
        assert await asked.configure()


async def test_a_compressed_answer_is_not_unpacked() -> None:
    # Taken as it is: the header alone makes httpx's own response refuse the bytes.
    def bomb() -> httpx.Response:
        response = httpx.Response(200, content=b"x")
        response.headers["content-encoding"] = "gzip"
        return response

    assert (await Asked(bomb).refused()).reason is CloseReason.UPSTREAM_UNAVAILABLE


async def test_an_answer_that_is_none_is_told_in_the_log_without_what_was_said() -> None:
    asked = Asked(says(content=b"<html>geheim</html>"))
    assert (await asked.refused()).reason is CloseReason.UPSTREAM_UNAVAILABLE
    assert "no JSON" in asked.lines.getvalue()
    assert "geheim" not in asked.lines.getvalue()


async def test_no_answer_in_time_is_503() -> None:
    async def never() -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    refused = await Asked(never, upstream_timeout_s=0.01).refused()
    assert (refused.reason, refused.retry_after_s) == (CloseReason.UPSTREAM_UNAVAILABLE, 10)


async def test_after_failures_in_a_row_it_is_left_alone_for_a_while() -> None:
    status = [500]
    asked = Asked(lambda: httpx.Response(status[0], json=ANSWER))
    for _ in range(FAILURES + 3):
        await asked.refused()
    assert len(asked.requests) == FAILURES
    status[0] = 200
    asked.clock.advance(PAUSE_S)
    assert await asked.configure()
    assert "configuration_upstream_answers_again" in asked.lines.getvalue()


@pytest.mark.parametrize("status", [400, 403, 404, 429])
async def test_its_refusals_are_no_failures(status: int) -> None:
    asked = Asked(says(status))
    for _ in range(FAILURES + 3):
        await asked.refused()
    assert len(asked.requests) == FAILURES + 3


async def test_so_many_ask_at_once_and_no_more() -> None:
    gate = asyncio.Event()

    async def waits() -> httpx.Response:
        await gate.wait()
        return httpx.Response(200, json=ANSWER)

    asked = Asked(waits)
    asking_now = [asyncio.create_task(asked.configure()) for _ in range(MOST_UNDER_WAY)]
    await settle()
    assert (await asked.refused()).reason is CloseReason.UPSTREAM_UNAVAILABLE
    gate.set()
    assert all(await asyncio.gather(*asking_now))
    assert await asked.configure()


async def test_who_is_told_nothing_of_a_websocket_is_a_line_of_the_log() -> None:
    asked = Asked(says(json={"firmware": {"version": "1"}}))
    assert await asked.configure() == {"firmware": {"version": "1"}}
    assert "configuration_without_websocket" in asked.lines.getvalue()
