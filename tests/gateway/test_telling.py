"""A whole gateway and a web server that is told of its devices."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keepline.app.gateway import Gateway
from keepline.handlers.echo import Echo
from tests.conftest import DEVICE_ID, TOKEN
from tests.gateway.peers import Peer, live
from tests.unit.monitor.endpoint import Endpoint
from tests.waiting import eventually, within

SECRET = "a-secret-for-tests"


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    there = Endpoint()
    await there.start()
    yield there
    await there.stop()


def gateway_telling(endpoint: Endpoint, log: StringIO, **webhook: Any) -> Gateway:
    webhook = {"url": endpoint.url, "secret": SECRET, "offline_after_s": 0, **webhook}
    return Gateway(Echo, {"webhook": webhook}, port=0, token=TOKEN, log=log)


def told(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [event for received in endpoint.received for event in received.document["events"]]


async def test_start_and_every_coming_and_going_are_told_in_order(endpoint: Endpoint) -> None:
    log = StringIO()
    async with gateway_telling(endpoint, log) as gateway:
        async with live(gateway.port):
            await eventually(lambda: len(told(endpoint)) == 2)
        await eventually(lambda: len(told(endpoint)) == 3)
        peer = await Peer.live(gateway.port)
        await eventually(lambda: len(told(endpoint)) == 4)
    peer.close()
    events = told(endpoint)
    assert [event["event"] for event in events] == [
        *("gateway.started", "device.online", "device.offline", "device.online", "device.offline"),
    ]
    assert [event["claim"] for event in events[1:]] == [1, 1, 2, 2]
    assert {event["device_id"] for event in events[1:]} == {DEVICE_ID}
    assert [event.get("cause") for event in events[2::2]] == ["device_closed", "server_shutdown"]
    assert all(received.is_signed_with(SECRET) for received in endpoint.received)
    assert len({received.document["run"] for received in endpoint.received}) == 1
    assert SECRET not in log.getvalue()


@pytest.mark.parametrize("way", ["dead", "slow"])
async def test_an_endpoint_that_fails_hurts_no_device_and_holds_up_no_stop(
    endpoint: Endpoint, way: str
) -> None:
    if way == "dead":
        await endpoint.stop()
    else:
        endpoint.go.clear()
    log = StringIO()
    async with gateway_telling(endpoint, log, timeout_s=60) as gateway:
        for _ in range(3):
            async with live(gateway.port) as peer:
                peer.fin()
                await peer.end()
        async with within(5.0):
            await gateway.stop()
    assert '"webhook_dropped"' in log.getvalue()


async def test_the_check_in_the_documents_believes_what_is_genuine_and_nothing_else(
    endpoint: Endpoint,
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text("utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    given: dict[str, Any] = {}
    exec(code, given)
    is_genuine = given["is_genuine"]
    async with gateway_telling(endpoint, StringIO()):
        await eventually(lambda: endpoint.received)
    [received] = endpoint.received
    header = received.headers["keepline-signature"]
    assert is_genuine(SECRET.encode(), header, received.body)
    assert not is_genuine(b"another", header, received.body)
    assert not is_genuine(SECRET.encode(), header, received.body + b" ")
    old = re.sub(r"t=\d+", "t=1800000000", header)
    assert not is_genuine(SECRET.encode(), old, received.body)
