"""Who is let in and who is not, on real sockets: every refusal is an HTTP answer, at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus

from keepline.gateway.identity import Identity
from keepline.reasons import CloseReason
from tests.conftest import DEVICE_ID, TOKEN, RunningGateway
from tests.gateway.peers import (
    HELLO,
    Peer,
    audio,
    dial,
    heard,
    heard_audio,
    identity,
    live,
    request,
    talk,
    tcp,
    text,
)
from tests.waiting import eventually, within

if TYPE_CHECKING:
    from keepline.wire.handshake import Request

Start = Callable[..., Any]
REALTIME = '{"type":"listen","state":"start","mode":"realtime"}'
CONFIGURATION = {
    "method": "POST",
    "Upgrade": None,
    "Connection": None,
    "Sec_WebSocket_Key": None,
    "Sec_WebSocket_Version": None,
    "Content_Length": "2",
}


async def refusal(port: int, **options: Any) -> tuple[int, Any]:
    """Return status and headers of the refusal that an independent client sees."""
    with pytest.raises(InvalidStatus) as refused:
        async with dial(port, **options):
            pass
    return refused.value.response.status_code, refused.value.response.headers


# -- refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "wrong", TOKEN + "x", ""])
async def test_a_wrong_or_missing_token_is_401(gateway: RunningGateway, token: str | None) -> None:
    status, headers = await refusal(gateway.port, headers=identity(token=token))
    assert status == 401
    assert headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in gateway.log_lines.getvalue()


@pytest.mark.parametrize("device_id", ["no id!", "../x", "x" * 200])
async def test_a_bad_device_id_is_403(gateway: RunningGateway, device_id: str) -> None:
    assert (await refusal(gateway.port, headers=identity(device_id)))[0] == 403


async def test_a_missing_device_id_is_403(gateway: RunningGateway) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert (await refusal(gateway.port, headers=headers))[0] == 403


async def test_another_path_is_404(gateway: RunningGateway) -> None:
    assert (await refusal(gateway.port, path="/somewhere/else/"))[0] == 404


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(Upgrade=None, Connection=None, Sec_WebSocket_Key=None), 426),
        (request(Sec_WebSocket_Version="8"), 426),
        (request(Sec_WebSocket_Key=None), 400),
        (request(Connection="close"), 400),
        (request(Host=None), 400),
        (request(method="PUT"), 405),
        (b"hello?\r\n\r\n", 400),
        (request(Filler="x" * 9_000), 431),
        (request() + b"x" * 100, 101),
        (request(Filler="x" * 400_000), 431),  # most of it is still on its way
    ],
)
async def test_what_is_no_upgrade_hears_so_before_its_connection_ends(
    gateway: RunningGateway, data: bytes, status: int
) -> None:
    async with tcp(gateway.port) as peer:
        sending = asyncio.ensure_future(peer.send(data))
        got, _ = await peer.answer()
        assert got == status
        sending.cancel()


async def test_a_refused_device_gets_its_answer_and_a_fin_within_milliseconds(
    gateway: RunningGateway,
) -> None:
    async with tcp(gateway.port) as peer:
        await peer.send(request(Authorization=None))
        status, head = await peer.answer()
        assert status == 401
        assert "Connection: close" in head
        assert await peer.end(within_s=0.5) == "fin"
    await eventually(lambda: gateway.node.wheel.armed == 0)


async def test_a_full_gateway_is_503_and_says_when_to_come_back(start_gateway: Start) -> None:
    gateway = await start_gateway(server={"max_connections": 1})
    async with talk(gateway.port, "first"):
        status, headers = await refusal(gateway.port, device_id="second")
        assert status == 503
        assert headers["Retry-After"] == "10"
        assert gateway.counters.disconnects[CloseReason.FULL] == 1
    await eventually(lambda: not gateway.node.registry)
    async with talk(gateway.port, "second"):
        pass


async def test_too_many_handshakes_are_503_at_once(start_gateway: Start) -> None:
    gateway = await start_gateway(server={"max_admissions": 2})
    async with tcp(gateway.port), tcp(gateway.port):
        await eventually(lambda: len(gateway.node.arrivals.admissions) == 2)
        for _ in range(20):  # as often as an answer could be lost to a reset
            status, headers = await refusal(gateway.port)
            assert status == 503
            assert headers["Retry-After"] == "10"
    await eventually(lambda: not gateway.node.arrivals.admissions)
    async with talk(gateway.port):
        pass


async def test_a_leaving_gateway_is_503(gateway: RunningGateway) -> None:
    gateway.node.draining = True
    status, headers = await refusal(gateway.port)
    assert status == 503
    assert headers["Retry-After"] == "10"


# -- one deadline --------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", request()[:60], request()[:-2]])
async def test_a_socket_without_a_whole_request_is_ended_at_the_deadline(
    start_gateway: Start, sent: bytes
) -> None:
    gateway = await start_gateway(profiles={"xiaozhi": {"hello_timeout_s": 0.3}})
    async with tcp(gateway.port) as peer:
        await peer.send(sent)
        status, _ = await peer.answer()
        assert status == 408
        assert await peer.end(within_s=1.5) == "fin"
    assert gateway.counters.disconnects[CloseReason.HEAD_TIMEOUT] == 1


async def test_a_device_that_never_says_hello_is_closed_at_the_same_deadline(
    start_gateway: Start,
) -> None:
    gateway = await start_gateway(
        profiles={"xiaozhi": {"hello_timeout_s": 1.5, "close_timeout_s": 0.2}}
    )
    async with tcp(gateway.port) as peer:
        async with within(1.9):  # one deadline, not one each
            await peer.send(request()[:60])
            await asyncio.sleep(0.6)
            await peer.send(request()[60:])
            assert (await peer.answer())[0] == 101
            assert await peer.close_code() == 1008
        await peer.end(within_s=1.0)
    await eventually(lambda: gateway.counters.disconnects[CloseReason.HELLO_TIMEOUT] == 1)
    assert gateway.node.wheel.armed == 0


async def test_a_head_that_trickles_in_does_not_move_the_deadline(start_gateway: Start) -> None:
    gateway = await start_gateway(profiles={"xiaozhi": {"hello_timeout_s": 0.3}})
    async with tcp(gateway.port) as peer:

        async def trickle() -> None:
            for byte in request(Filler="x" * 500):
                await peer.send(bytes((byte,)))
                await asyncio.sleep(0.01)

        trickling = asyncio.ensure_future(trickle())
        async with within(0.8):
            assert (await peer.answer())[0] == 408
        trickling.cancel()


@pytest.mark.parametrize("first", [audio(b"opus"), text("nonsense"), text('{"type":"abort"}')])
async def test_a_first_message_that_is_no_hello_is_1008(
    gateway: RunningGateway, first: bytes
) -> None:
    async with tcp(gateway.port) as peer:
        await peer.send(request() + first)
        assert (await peer.answer())[0] == 101
        assert await peer.close_code() == 1008
    assert not gateway.node.registry


# -- let in --------------------------------------------------------------------------------


async def test_a_browser_says_who_it_is_in_the_query(gateway: RunningGateway) -> None:
    query = f"?authorization=Bearer%20{TOKEN}&device-id=tab-1&client-id=web"
    async with talk(gateway.port, headers={}, path=f"/xiaozhi/v1/{query}"):
        session = gateway.node.registry.by_device("tab-1")
        assert session is not None
        assert session.client_id == "web"


async def test_frames_right_behind_the_request_are_heard(gateway: RunningGateway) -> None:
    async with tcp(gateway.port) as peer:
        await peer.send(request() + text(HELLO) + text(REALTIME) + audio(b"first words"))
        assert (await peer.answer())[0] == 101
        seen = [await peer.frame() for _ in range(3)]
        assert json.loads(seen[0][1])["type"] == "hello"
        assert json.loads(seen[1][1]) == {"type": "tts", "state": "start"}
        assert seen[2][1] == b"first words"


async def test_messages_right_behind_the_hello_are_heard(gateway: RunningGateway) -> None:
    async with dial(gateway.port) as device:
        await asyncio.gather(device.send(HELLO), device.send(REALTIME), device.send(b"at once"))
        assert (await heard(device))["type"] == "hello"
        assert (await heard(device))["type"] == "tts"
        assert await heard_audio(device) == b"at once"


async def test_a_request_in_single_bytes_is_let_in(gateway: RunningGateway) -> None:
    async with tcp(gateway.port) as peer:
        for byte in request() + text(HELLO):
            await peer.send(bytes((byte,)))
        assert (await peer.answer())[0] == 101
        assert json.loads((await peer.frame())[1])["type"] == "hello"


# -- asked elsewhere -----------------------------------------------------------------------


class Asking:
    """An authenticator that asks somebody else."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.go = asyncio.Event()

    async def judge(self, request: Request) -> Identity:
        await self.go.wait()
        if request.headers["device-id"] == "unlucky":
            raise ConnectionRefusedError("the other server is down")
        return Identity(request.headers["device-id"], "")


async def test_a_device_that_is_judged_slowly_is_let_in_and_loses_nothing(
    gateway: RunningGateway,
) -> None:
    asking = Asking()
    gateway.node.gate.authenticator = asking
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        await eventually(lambda: gateway.node.arrivals.admissions)
        await peer.send(text(HELLO) + text(REALTIME))
        await peer.send(audio(b"early"))
        asking.go.set()
        assert (await peer.answer())[0] == 101
        assert [(await peer.frame())[1] for _ in range(3)][2] == b"early"


async def test_an_authenticator_that_fails_is_500_and_harms_nobody_else(
    gateway: RunningGateway,
) -> None:
    asking = Asking()
    asking.go.set()
    gateway.node.gate.authenticator = asking
    async with talk(gateway.port, "lucky") as device:
        status, _ = await refusal(gateway.port, device_id="unlucky")
        assert status == 500
        await device.send('{"type":"custom","payload":1}')
        assert (await heard(device))["payload"] == 1
    assert len(gateway.logged("admission_failed")) == 1


async def test_a_device_that_leaves_while_it_is_judged_leaves_nothing(
    gateway: RunningGateway,
) -> None:
    asking = Asking()
    gateway.node.gate.authenticator = asking
    peer = await Peer.dial(gateway.port)
    await peer.send(request(Device_Id="unlucky"))
    await eventually(lambda: gateway.node.arrivals.admissions)
    peer.rst()
    await eventually(lambda: not gateway.node.arrivals.admissions)
    assert not asking.go.is_set()  # who judges was cancelled
    assert not gateway.node.registry
    assert gateway.node.wheel.armed == 0


# -- the configuration endpoint ------------------------------------------------------------


async def configuration(gateway: RunningGateway, **changes: Any) -> tuple[int, Any]:
    async with tcp(gateway.port) as peer:
        await peer.send(request("/xiaozhi/ota/", **(CONFIGURATION | changes)) + b"{}")
        status, head = await peer.answer()
        await peer.end()
        body = bytes(peer._received)
        assert f"Content-Length: {len(body)}" in head
        return status, json.loads(body) if "application/json" in head else body


async def test_a_device_learns_what_it_needs_and_can_connect_with_it(
    gateway: RunningGateway,
) -> None:
    status, answer = await configuration(gateway, Host="127.0.0.1", Authorization=None)
    assert status == 200
    assert answer["websocket"]["url"] == gateway.url
    assert set(answer) == {"server_time", "firmware", "websocket"}
    assert set(answer["server_time"]) == {"timestamp", "timezone_offset"}
    headers = identity(token=answer["websocket"]["token"])
    async with talk(gateway.port, headers=headers):
        pass


async def test_the_configuration_is_asked_for_with_post_only(gateway: RunningGateway) -> None:
    status, _ = await configuration(gateway, method="GET", Content_Length=None)
    assert status == 405


async def test_a_configuration_request_without_an_id_is_403(gateway: RunningGateway) -> None:
    status, _ = await configuration(gateway, Device_Id=None)
    assert status == 403


async def test_a_configuration_request_is_no_session_and_leaves_nothing(
    gateway: RunningGateway,
) -> None:
    await configuration(gateway)
    assert not gateway.node.registry
    await eventually(lambda: gateway.node.wheel.armed == 0)


async def test_the_counters_know_every_refusal_by_its_reason(gateway: RunningGateway) -> None:
    await refusal(gateway.port, headers=identity(token="wrong"))
    await refusal(gateway.port, path="/x")
    async with live(gateway.port, DEVICE_ID):
        pass
    disconnects = gateway.counters.disconnects
    assert disconnects[CloseReason.UNAUTHORIZED] == 1
    assert disconnects[CloseReason.NOT_FOUND] == 1
    await eventually(lambda: disconnects[CloseReason.DEVICE_CLOSED] == 1)
    assert sum(disconnects.values()) == 3
