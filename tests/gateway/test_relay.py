"""Devices passed on to a voice server that nobody here wrote the WebSocket of."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from keepline.reasons import CloseReason
from tests.conftest import StartGateway
from tests.gateway.peers import HELLO, dial, heard, heard_audio, identity, request, talk, tcp
from tests.gateway.upstream import VoiceServer, voice_server
from tests.waiting import eventually

AUDIO = bytes(range(120))


async def test_the_device_gets_the_hello_of_its_upstream(start_gateway: StartGateway) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with dial(gateway.port) as device:
            await device.send(HELLO)
            assert await device.recv() == server.hello("up-1")
        assert server.hellos == [HELLO]


async def test_an_upstream_is_told_what_the_device_said_and_who_it_is(
    start_gateway: StartGateway,
) -> None:
    headers = identity() | {"X-Forwarded-For": "192.0.2.1", "X-Keepline-Device-Id": "another"}
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with talk(gateway.port, path="/xiaozhi/v1/?room=a%20b", headers=headers):
            asked = server.requests[0]
        session_id = gateway.logged("device_connected")[0]["session_id"]
    assert asked.path == "/voice?from=keepline&room=a%20b"
    told = {name: asked.headers.get_all(name) for name in (*identity(), "Host")}
    assert told == {name: [value] for name, value in identity().items()} | {
        "Host": [f"127.0.0.1:{server.port}"]
    }
    assert asked.headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
    assert asked.headers.get_all("X-Keepline-Device-Id") == [identity()["Device-Id"]]
    assert asked.headers["X-Keepline-Session-Id"] == session_id


async def test_a_token_of_its_own_takes_the_place_of_the_devices(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(
            upstream={"urls": [server.url]}, relay={"token": "between-servers"}
        )
        async with talk(gateway.port):
            assert server.requests[0].headers.get_all("Authorization") == ["Bearer between-servers"]


async def test_text_and_audio_go_both_ways_as_they_are(start_gateway: StartGateway) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with talk(gateway.port) as device:
            listen = '{"type": "listen" , "state":"start"}'
            said: list[str | bytes] = [listen, AUDIO, "no JSON ☃", b"", bytes(70)]
            for message in said:
                await device.send(message)
            assert [await device.recv() for _ in said] == said
        assert server.heard == said


async def test_order_is_kept_under_load(start_gateway: StartGateway) -> None:
    """Frames that share reads, frames that are cut, and frames beyond one turn's worth."""
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with talk(gateway.port) as device:
            count = 3_000

            async def say() -> None:
                for number in range(count):
                    filler = bytes(number * 37 % 2_000)
                    message = number.to_bytes(4) + filler
                    await device.send(message if number % 5 else f"{number} {'x' * len(filler)}")

            saying = asyncio.create_task(say())
            numbers = []
            async for message in device:
                number = (
                    int(message.split(" ")[0])
                    if isinstance(message, str)
                    else int.from_bytes(message[:4])
                )
                numbers.append(number)
                if len(numbers) == count:
                    break
            await saying
        assert numbers == list(range(count))
    assert gateway.counters.outbox_audio_dropped == gateway.counters.inbox_audio_dropped == 0


async def test_what_is_said_before_the_upstream_answers_waits(start_gateway: StartGateway) -> None:
    answer = asyncio.Event()

    async def late(server: VoiceServer, device: ServerConnection) -> None:
        await answer.wait()
        await device.send(server.hello("late"))
        async for message in device:
            server.heard.append(message)

    async with voice_server(late, says_hello=False) as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with dial(gateway.port) as device:
            await device.send(HELLO)
            await device.send("early")
            await device.send(AUDIO)
            await asyncio.sleep(0.1)
            answer.set()
            assert (await heard(device))["session_id"] == "late"
            await eventually(lambda: server.heard == ["early", AUDIO])


async def test_a_device_that_leaves_takes_its_upstream_connection_along(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with talk(gateway.port):
            assert len(server.devices) == 1
        await eventually(lambda: not server.devices)
        assert server.ended == [(1000, "the device has left")]
        await eventually(lambda: not gateway.node.wheel.armed)


async def test_an_upstream_that_hangs_up_ends_the_session_with_its_own_code(
    start_gateway: StartGateway,
) -> None:
    async def bye(server: VoiceServer, device: ServerConnection) -> None:
        await device.close(4_321, "goodbye")

    async with voice_server(bye) as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with dial(gateway.port) as device:
            await device.send(HELLO)
            await heard(device)
            with pytest.raises(ConnectionClosed) as closed:
                await device.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4_321, "goodbye")
        await eventually(lambda: gateway.logged("device_disconnected"))
    ending = gateway.logged("device_disconnected")[0]
    assert (ending["cause"], ending["initiator"]) == ("upstream_closed", "upstream")
    assert ending["detail"] == "code 4321 goodbye"


async def test_an_upstream_that_refuses_a_device_ends_its_session(
    start_gateway: StartGateway,
) -> None:
    async with voice_server(refuses=HTTPStatus.FORBIDDEN) as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with dial(gateway.port) as device:
            await device.send(HELLO)
            with pytest.raises(ConnectionClosed) as closed:
                await device.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.reason == CloseReason.UPSTREAM_REFUSED.cause
        assert len(server.requests) == 1


async def test_pings_of_the_upstream_are_answered(start_gateway: StartGateway) -> None:
    async def ping(server: VoiceServer, device: ServerConnection) -> None:
        await (await device.ping(b"still there?"))
        await device.send(b"it is")
        await device.wait_closed()

    async with voice_server(ping) as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with talk(gateway.port) as device:
            assert await heard_audio(device) == b"it is"


async def test_a_hello_nobody_answers_is_answered_in_time(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        upstream={"urls": ["ws://127.0.0.1:9/"]}, relay={"hello_timeout_s": 0.3}
    )
    async with talk(gateway.port) as device:
        assert device.close_code is None


async def test_a_killed_upstream_is_replaced_and_the_device_goes_on(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as first, voice_server() as second:
        gateway = await start_gateway(
            upstream={"urls": [first.url, second.url], "check_s": None},
            relay={"reopen_within_s": 0.1},
        )
        async with talk(gateway.port) as device:
            mine, other = (first, second) if first.devices else (second, first)
            listen = json.dumps({"type": "listen", "state": "start", "session_id": "up-1"})
            await device.send(listen)
            await device.recv()
            other.hellos.append("so that its session has another id")
            await mine.kill()
            assert await heard(device) == {"type": "tts", "state": "stop", "session_id": "up-1"}
            await eventually(lambda: other.devices)
            assert json.loads(await device.recv()) == json.loads(listen)  # heard anew
            assert other.hellos[1] == HELLO
            await device.send(json.dumps({"type": "abort", "session_id": "up-1"}))
            assert await heard(device) == {"type": "abort", "session_id": "up-1"}
            assert [json.loads(text)["session_id"] for text in other.heard] == ["up-2", "up-2"]
    assert gateway.logged("device_disconnected")[0]["cause"] == "device_said_close"


async def test_an_upstream_that_judges_is_asked_before_the_upgrade(
    start_gateway: StartGateway,
) -> None:
    async with voice_server(refuses=HTTPStatus.UNAUTHORIZED) as server:
        gateway = await start_gateway(upstream={"urls": [server.url]}, auth={"mode": "upstream"})
        async with tcp(gateway.port) as peer:
            await peer.send(request(Authorization="Bearer of-the-upstream"))
            assert (await peer.answer())[0] == 401
        assert server.requests[0].headers["Authorization"] == "Bearer of-the-upstream"
        server.refuses = None
        async with talk(gateway.port) as device:
            await device.send("hello")
            assert await device.recv() == "hello"
        assert (len(server.requests), len(server.hellos)) == (2, 1)


async def test_nobody_is_let_in_while_no_upstream_can_judge(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        upstream={"urls": ["ws://127.0.0.1:9/"]}, auth={"mode": "upstream"}
    )
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        status, head = await peer.answer()
    assert status == 503
    assert "Retry-After: 10" in head


async def test_a_connection_nobody_comes_for_is_closed(start_gateway: StartGateway) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(
            upstream={"urls": [server.url]},
            auth={"mode": "upstream"},
            profiles={"xiaozhi": {"hello_timeout_s": 0.3}},
        )
        async with tcp(gateway.port) as peer:
            await peer.send(request())
            assert (await peer.answer())[0] == 101
        await eventually(lambda: server.ended == [(1000, "nobody came for it")])
