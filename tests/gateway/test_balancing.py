"""Devices spread over several voice servers: load, health, draining, and who is asked first."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from keepline.gateway.auth.gate import Gate
from keepline.relay.upstreams.upstream import Upstream
from tests.conftest import RunningGateway, StartGateway
from tests.gateway.peers import HELLO, dial, heard, identity, talk
from tests.gateway.upstream import VoiceServer, voice_server
from tests.waiting import eventually

ASKED = {"auth": {"mode": "upstream", "token": None}}
NOWHERE = "ws://127.0.0.1:1/"


def device(number: int) -> dict[str, str]:
    return identity() | {"Device-Id": f"02:00:00:00:01:{number:02x}"}


async def refused(gateway: RunningGateway, number: int = 0) -> tuple[int, dict[str, str]]:
    with pytest.raises(InvalidStatus) as error:
        async with dial(gateway.port, headers=device(number)):
            pass
    return error.value.response.status_code, dict(error.value.response.headers)


def upstreams_of(gateway: RunningGateway) -> Any:
    behind: Any = gateway.node.behind
    return behind.pool.upstreams


def drain(gateway: RunningGateway, upstream: Upstream) -> None:
    """Do as `Upkeep.drain` does."""
    behind: Any = gateway.node.behind
    upstream.drain()
    behind.empty(upstream)


async def test_devices_are_spread_over_the_voice_servers(start_gateway: StartGateway) -> None:
    async with voice_server() as one, voice_server() as two, AsyncExitStack() as devices:
        gateway = await start_gateway(upstream={"urls": [one.url, two.url]})
        for number in range(40):
            await devices.enter_async_context(talk(gateway.port, headers=device(number)))
        assert 15 <= len(one.devices) <= 25
        assert len(one.devices) + len(two.devices) == 40
        assert sum(each.live for each in upstreams_of(gateway)) == 40
    await eventually(lambda: sum(each.live for each in upstreams_of(gateway)) == 0)
    assert [each.opening for each in upstreams_of(gateway)] == [0, 0]


async def test_a_sticky_device_comes_back_to_its_voice_server(start_gateway: StartGateway) -> None:
    async with voice_server() as one, voice_server() as two:
        gateway = await start_gateway(upstream={"urls": [one.url, two.url], "sticky": True})
        for number in range(8):
            before = (len(one.hellos), len(two.hellos))
            for _ in range(3):
                async with talk(gateway.port, headers=device(number)):
                    pass
            came = (len(one.hellos) - before[0], len(two.hellos) - before[1])
            assert came in {(3, 0), (0, 3)}
        assert one.hellos
        assert two.hellos


async def test_a_voice_server_that_is_not_there_is_ejected_and_nobody_waits_for_it(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as one, AsyncExitStack() as devices:
        gateway = await start_gateway(**ASKED, upstream={"urls": [NOWHERE, one.url]})
        for number in range(20):
            await devices.enter_async_context(talk(gateway.port, headers=device(number)))
        assert len(one.devices) == 20
        gone = upstreams_of(gateway)[0]
        assert gone.is_ejected
        assert gone.failures <= 5


async def test_drained_idle_devices_move_and_stay_connected(start_gateway: StartGateway) -> None:
    relay = {"ping_interval_s": 0.2, "reopen_within_s": 0.05}
    async with voice_server() as one, voice_server() as two, AsyncExitStack() as stack:
        gateway = await start_gateway(
            upstream={"urls": [one.url, two.url]}, relay=relay, session={"idle_after_s": 0.1}
        )
        devices = [
            await stack.enter_async_context(talk(gateway.port, headers=device(number)))
            for number in range(10)
        ]
        drain(gateway, upstreams_of(gateway)[0])
        await eventually(lambda: (len(one.devices), len(two.devices)) == (0, 10))
        assert {code for code, _ in one.ended} == {1000}
        for each in devices:
            await each.send(b"still here")
            assert await each.recv() == b"still here"
        assert gateway.logged("device_disconnected") == []
        assert upstreams_of(gateway)[0].failures == 0


async def test_a_conversation_is_not_cut_by_draining(start_gateway: StartGateway) -> None:
    relay = {"ping_interval_s": 0.05, "reopen_within_s": 0.05}
    async with voice_server() as one, voice_server() as two:
        gateway = await start_gateway(
            upstream={"urls": [one.url, two.url]}, relay=relay, session={"idle_after_s": 60}
        )
        async with talk(gateway.port) as talking:
            await talking.send(b"audio")
            assert await talking.recv() == b"audio"
            busy = next(each for each in upstreams_of(gateway) if each.live)
            drain(gateway, busy)
            for _ in range(10):
                await asyncio.sleep(0.03)
                await talking.send(b"audio")
                assert await talking.recv() == b"audio"
            assert busy.live == 1


# -- asked before the upgrade ---------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 400])
async def test_a_refusal_has_its_status_and_is_no_failure(
    start_gateway: StartGateway, status: int
) -> None:
    async with voice_server(refuses=HTTPStatus(status)) as server:
        gateway = await start_gateway(**ASKED, upstream={"urls": [server.url]})
        for number in range(8):
            assert (await refused(gateway, number))[0] == status
        [upstream] = upstreams_of(gateway)
        assert (upstream.failures, upstream.opening, upstream.live) == (0, 0, 0)
        assert not upstream.is_ejected


async def test_one_that_is_full_has_the_device_come_back_later(start_gateway: StartGateway) -> None:
    async with voice_server(refuses=HTTPStatus.SERVICE_UNAVAILABLE) as server:
        gateway = await start_gateway(**ASKED, upstream={"urls": [server.url]})
        status, headers = await refused(gateway)
        assert (status, headers["retry-after"]) == (503, "10")
        assert gateway.logged("device_refused")[0]["cause"] == "upstream_unavailable"


async def test_who_asks_too_often_has_no_upstream_ejected(start_gateway: StartGateway) -> None:
    async with voice_server(refuses=HTTPStatus.TOO_MANY_REQUESTS) as strict, voice_server() as one:
        gateway = await start_gateway(**ASKED, upstream={"urls": [strict.url, one.url]})
        for number in range(12):
            async with talk(gateway.port, headers=device(number)):
                pass
        assert strict.requests
        assert [(each.failures, each.opening) for each in upstreams_of(gateway)] == [(0, 0), (0, 0)]


async def test_another_is_asked_when_one_is_full(start_gateway: StartGateway) -> None:
    async with voice_server(refuses=HTTPStatus.SERVICE_UNAVAILABLE) as full, voice_server() as one:
        gateway = await start_gateway(**ASKED, upstream={"urls": [full.url, one.url]})
        async with AsyncExitStack() as devices:
            for number in range(6):
                await devices.enter_async_context(talk(gateway.port, headers=device(number)))
            assert len(one.devices) == 6


async def test_failures_have_the_limits_of_every_other_mode(start_gateway: StartGateway) -> None:
    auth = ASKED["auth"] | {"device_failures": 2}
    async with voice_server(refuses=HTTPStatus.UNAUTHORIZED) as server:
        gateway = await start_gateway(auth=auth, upstream={"urls": [server.url]})
        statuses = [(await refused(gateway))[0] for _ in range(4)]
        assert statuses == [401, 401, 429, 429]
        assert len(server.requests) == 2


async def test_the_connection_that_was_asked_on_is_the_one_that_is_used(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(**ASKED, upstream={"urls": [server.url]})
        async with dial(gateway.port, headers=device(1)) as waiting:
            assert len(server.requests) == 1  # before the hello
            await waiting.send(HELLO)
            assert (await heard(waiting))["session_id"] == "up-1"
        assert len(server.requests) == 1


async def test_who_leaves_before_its_hello_holds_no_upstream(start_gateway: StartGateway) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(**ASKED, upstream={"urls": [server.url]})
        for number in range(5):
            async with dial(gateway.port, headers=device(number)) as leaving:
                leaving.transport.abort()
        await eventually(lambda: len(server.ended) + len(server.devices) == 5)
        await eventually(lambda: not server.devices, within_s=2)
        async with dial(gateway.port, headers=device(6)) as staying:
            await staying.send(HELLO)
            assert await heard(staying)
            assert len(server.devices) == 1


async def test_who_is_let_in_by_the_upstream_and_not_by_us_holds_none(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(**ASKED, upstream={"urls": [server.url]})
        monkeypatch.setattr(Gate, "is_revoked", lambda *_: True)
        assert (await refused(gateway))[0] == 401
        assert len(server.requests) == 1
        await eventually(lambda: not server.devices, within_s=2)


async def test_a_storm_is_let_through_little_by_little(start_gateway: StartGateway) -> None:
    most, under_way = 0, 0

    class Slow(VoiceServer):
        async def _judge(self, connection: Any, request: Any) -> Any:  # type: ignore[override]
            nonlocal most, under_way
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.02)
            under_way -= 1
            return super()._judge(connection, request)

    server = Slow()
    await server.start()
    try:
        gateway = await start_gateway(**ASKED, upstream={"urls": [server.url], "connects": 3})
        async with AsyncExitStack() as stack:
            coming = (
                stack.enter_async_context(talk(gateway.port, headers=device(number)))
                for number in range(20)
            )
            await asyncio.gather(*coming)
            assert len(server.devices) == 20
        assert most == 3
    finally:
        await server.stop()


async def test_when_all_are_draining_nobody_is_let_in(start_gateway: StartGateway) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(**ASKED, upstream={"urls": [server.url]})
        upstreams_of(gateway)[0].drain()
        assert (await refused(gateway))[0] == 503
