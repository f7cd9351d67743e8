"""What fails between a device and its upstream without either of them doing wrong."""

from __future__ import annotations

from typing import Any

import pytest

from keepline.relay.link import Link
from keepline.relay.relay import Relay
from tests.conftest import StartGateway
from tests.gateway.peers import talk
from tests.gateway.upstream import voice_server
from tests.waiting import eventually


@pytest.mark.parametrize("host", ["a" * 70 + ".test", "voice..test"])
async def test_a_name_that_cannot_be_one_is_an_upstream_that_fails(
    start_gateway: StartGateway, host: str
) -> None:
    gateway = await start_gateway(
        upstream={"urls": [f"ws://{host}/"], "check_s": None}, relay={"hello_timeout_s": 0.3}
    )
    async with talk(gateway.port):
        await eventually(lambda: len(gateway.logged("upstream_failed")) > 1)
    assert {line["why"] for line in gateway.logged("upstream_failed")} == {"no such name"}


async def test_a_fault_of_ours_costs_a_device_one_try(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach, faults = Relay._reach, [RuntimeError("ours")]

    async def faulty(relay: Relay, *arguments: Any) -> Link:
        link = await reach(relay, *arguments)
        if faults:
            link.close("")
            raise faults.pop()
        return link

    monkeypatch.setattr(Relay, "_reach", faulty)
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with talk(gateway.port) as device:
            await device.send("hello")
            assert await device.recv() == "hello"
        assert len(gateway.logged("relay_failed")) == 1
        assert len(server.requests) == 2
