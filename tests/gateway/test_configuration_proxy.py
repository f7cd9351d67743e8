"""In front of a voice server that configures its devices itself: one by hand, and hostile ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from keepline.gateway.enrolment.forwarding import ANSWER_BYTES
from tests.conftest import RunningGateway
from tests.gateway.callback_server import Server, answer, says
from tests.waiting import ANSWER_S, PATIENCE_S, within

DEVICE = "02:ab:00:00:00:01"
CLIENT = "5b6fcb26-3f65-4f2b-8e0a-1d3b5c7e9f01"
ACTIVATION = {"message": "say it", "code": "012345", "challenge": "x", "timeout_ms": 30_000}
THEIRS: dict[str, Any] = {
    "server_time": {"timestamp": 1_800_000_000_000, "timezone_offset": 480},
    "firmware": {"version": "2.0.1", "url": ""},
    "websocket": {"url": "ws://10.0.0.5:8000/xiaozhi/v1/", "token": "theirs"},
    "mqtt": {"endpoint": "mqtt.lan"},
}


@pytest_asyncio.fixture
async def voice() -> AsyncIterator[Server]:
    """A voice server's configuration address."""
    server = Server()
    server.response = says(**THEIRS)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()
    await server.stop()


@pytest_asyncio.fixture
async def in_front_of(start_gateway: Any) -> AsyncIterator[Callable[..., Any]]:
    """Start gateways in front of a voice server."""
    started: list[RunningGateway] = []

    async def start(voice: Server, **sections: Any) -> RunningGateway:
        url = f"http://127.0.0.1:{voice.port}/xiaozhi/ota/"
        enrolment = {"upstream_url": url, "upstream_timeout_s": 3.0}
        enrolment |= sections.pop("enrolment", {})
        gateway: RunningGateway = await start_gateway(enrolment=enrolment, **sections)
        started.append(gateway)
        return gateway

    yield start
    for gateway in started:
        assert gateway.node.enrolment is not None
        await gateway.node.enrolment.aclose()


async def asked(
    gateway: RunningGateway, path: str = "", device_id: str = DEVICE, **headers: str
) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=2 * PATIENCE_S) as board:
        return await board.post(
            f"http://127.0.0.1:{gateway.port}/xiaozhi/ota/{path}",
            headers={"Device-Id": device_id, "Client-Id": CLIENT, **headers},
            json={"version": 2, "mac_address": device_id},
        )


async def test_a_board_hears_the_voice_server_and_connects_to_us(
    voice: Server, in_front_of: Any
) -> None:
    gateway = await in_front_of(voice, auth={"mode": "none", "token": None})
    response = await asked(gateway, **{"Activation-Version": "2", "Serial-Number": "S1"})
    assert response.status_code == 200
    assert response.json() == {
        "server_time": THEIRS["server_time"],
        "firmware": THEIRS["firmware"],
        "websocket": {"url": gateway.url, "token": "theirs"},
    }
    [(line, headers, body)] = voice.requests
    assert line == "POST /xiaozhi/ota/ HTTP/1.1"
    assert headers["device-id"] == DEVICE
    assert (headers["activation-version"], headers["serial-number"]) == ("2", "S1")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert json.loads(body)["mac_address"] == DEVICE


async def test_where_we_judge_the_token_is_one_that_we_let_in(
    voice: Server, in_front_of: Any
) -> None:
    keys = ["one:a-secret-of-more-than-16-bytes"]
    auth = {"mode": "signed", "token": None, "keys": keys}
    gateway = await in_front_of(voice, auth=auth)
    token = (await asked(gateway)).json()["websocket"]["token"]
    assert token != "theirs"
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_S) as board:
        shown = {"Authorization": f"Bearer {token}", "Device-Id": DEVICE, "Client-Id": CLIENT}
        # Without an upgrade 426 is what there is to hear.
        url = gateway.url.replace("ws:", "http:")
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        async with board.stream("GET", url, headers=shown | upgrade) as response:
            assert response.status_code == 101
        wrong = shown | upgrade | {"Authorization": "Bearer theirs"}
        async with board.stream("GET", url, headers=wrong) as response:
            assert response.status_code == 401


async def test_an_activation_is_the_voice_server_s_from_its_code_to_its_end(
    voice: Server, in_front_of: Any
) -> None:
    gateway = await in_front_of(voice)
    voice.response = says(**THEIRS, activation=ACTIVATION)
    told = (await asked(gateway)).json()
    assert told["activation"] == ACTIVATION
    assert "websocket" not in told  # the token would be ours, and nobody has vouched for it yet
    voice.response = answer("202 Accepted", b"{}")
    assert (await asked(gateway, "activate")).status_code == 202
    assert voice.requests[-1][0] == "POST /xiaozhi/ota/activate HTTP/1.1"
    voice.response = answer("200 OK", b"{}")
    assert (await asked(gateway, "activate")).status_code == 200


async def test_who_is_revoked_here_is_not_asked_about(voice: Server, in_front_of: Any) -> None:
    gateway = await in_front_of(voice)
    assert gateway.node.enrolment is not None
    await gateway.node.enrolment.revoke(DEVICE)
    for path in ("", "activate"):
        assert (await asked(gateway, path)).status_code == 403
    assert voice.requests == []


async def test_the_limits_are_those_of_our_own_endpoint(voice: Server, in_front_of: Any) -> None:
    gateway = await in_front_of(voice, enrolment={"device_burst": 3, "device_refill_s": 600})
    statuses = [(await asked(gateway)).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert (await asked(gateway, device_id="02:ab:00:00:00:02")).status_code == 200
    assert len(voice.requests) == 4


async def test_what_is_malformed_does_not_reach_the_voice_server(
    voice: Server, in_front_of: Any
) -> None:
    gateway = await in_front_of(voice)
    assert (await asked(gateway, device_id="no id")).status_code == 403
    assert (await asked(gateway, Origin="https://evil.example")).status_code == 403
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_S) as board:
        url = f"http://127.0.0.1:{gateway.port}/xiaozhi/ota/"
        assert (await board.get(url, headers={"Device-Id": DEVICE})).status_code == 405
        shown = {"Device-Id": DEVICE, "Client-Id": CLIENT}
        assert (await board.post(url, headers=shown, content=b"{")).status_code == 400
    assert voice.requests == []


@pytest.mark.parametrize(
    "response",
    [
        answer("200 OK", b"<html>"),
        answer("200 OK", b"[" * 30_000),
        answer("200 OK", json.dumps({"a": "x" * ANSWER_BYTES}).encode()),
        answer("200 OK", json.dumps({"websocket": {"token": "a\r\nSet-Cookie: x"}}).encode()),
        answer("200 OK", b'{"a":1}', Content_Encoding="gzip"),
        answer("302 Found", Location="http://169.254.169.254/latest/"),
        answer("500 Oops", b"Traceback: geheim"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"\x00" * 1_000,
    ],
)
async def test_a_hostile_answer_is_503_and_nothing_of_it_is_passed_on(
    voice: Server, in_front_of: Any, response: bytes
) -> None:
    gateway = await in_front_of(voice, auth={"mode": "none", "token": None})
    voice.response = response
    refused = await asked(gateway)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "10"
    assert "geheim" not in refused.text
    assert gateway.logged("configuration_upstream_failed")
    voice.response = says(**THEIRS)
    assert (await asked(gateway)).status_code == 200


async def test_an_answer_that_drips_is_given_up(voice: Server, in_front_of: Any) -> None:
    gateway = await in_front_of(voice, enrolment={"upstream_timeout_s": 0.1})
    voice.drip_s = 0.02
    async with within(2):
        assert (await asked(gateway)).status_code == 503


async def test_nobody_there_is_503_at_once(voice: Server, in_front_of: Any) -> None:
    gateway = await in_front_of(voice, enrolment={"upstream_url": "http://127.0.0.1:1/"})
    refused = await asked(gateway)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
