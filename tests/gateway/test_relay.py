"""Devices passed on to a voice server that nobody here wrote the WebSocket of."""

from __future__ import annotations

import asyncio
import json
import ssl
from http import HTTPStatus
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from keepline.reasons import CloseReason
from keepline.relay.relay import Relay
from tests.conftest import StartGateway
from tests.gateway.peers import HELLO, dial, heard, heard_audio, identity, live, request, talk, tcp
from tests.gateway.upstream import VoiceServer, echo, voice_server
from tests.waiting import eventually, settled

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


async def test_an_upstream_that_drains_is_left_by_who_is_not_talking(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as first, voice_server() as second:
        gateway = await start_gateway(
            upstream={"urls": [first.url, second.url], "check_s": None},
            relay={"reopen_within_s": 0.1},
        )
        relay = gateway.node.behind
        assert isinstance(relay, Relay)
        async with talk(gateway.port) as quiet, talk(gateway.port, "02:00:00:00:00:02") as talking:
            await talking.send(AUDIO)
            assert await talking.recv() == AUDIO
            (of_talking,) = (
                upstream
                for upstream, server in zip(relay.pool.upstreams, (first, second), strict=True)
                if AUDIO in server.heard
            )
            for upstream in relay.pool.upstreams:
                if upstream is not of_talking:
                    upstream.drain()
                    relay.empty(upstream)
            await eventually(lambda: of_talking.live == 2)
            of_talking.drain()
            relay.empty(of_talking)
            await talking.send(AUDIO)
            assert await talking.recv() == AUDIO
            assert quiet.close_code is None


async def test_an_idle_device_does_not_notice_that_its_upstream_restarts(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(
            upstream={"urls": [server.url], "check_s": None}, relay={"reopen_within_s": 0.1}
        )
        async with talk(gateway.port) as device:
            await server.stop()
            await server.start()
            await eventually(lambda: len(server.hellos) == 2)
            await device.send(AUDIO)
            assert await device.recv() == AUDIO  # and nothing before it


async def test_a_cut_conversation_can_be_told_in_an_alert(start_gateway: StartGateway) -> None:
    relay = {"on_cut": "alert", "cut_message": "Sorry", "reopen_within_s": 60}
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]}, relay=relay)
        async with talk(gateway.port) as device:
            await device.send(AUDIO)
            await device.recv()
            await server.kill()
            alert = await heard(device)
            assert (alert["type"], alert["message"]) == ("alert", "Sorry")
            assert (await heard(device))["state"] == "stop"


async def test_a_cut_conversation_can_end_the_session(start_gateway: StartGateway) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(upstream={"urls": [server.url]}, relay={"on_cut": "close"})
        async with talk(gateway.port) as device:
            await device.send(AUDIO)
            await device.recv()
            await server.kill()
            with pytest.raises(ConnectionClosed):
                await device.recv()
    ending = gateway.logged("device_disconnected")[0]
    assert (ending["cause"], ending["code"]) == ("upstream_lost", 1013)


async def test_an_upstream_that_dies_within_a_frame_leaves_no_half_of_it(
    start_gateway: StartGateway,
) -> None:
    async def half(server: VoiceServer, device: ServerConnection) -> None:
        if len(server.hellos) > 1:
            await echo(server, device)
        await device.recv()
        device.transport.write(b"\x82\x7e\x10\x00" + bytes(100))  # of 4,096
        await asyncio.sleep(0.05)
        device.transport.abort()

    async with voice_server(half) as server:
        gateway = await start_gateway(
            upstream={"urls": [server.url], "check_s": None}, relay={"reopen_within_s": 0.1}
        )
        async with talk(gateway.port) as device:
            await device.send(AUDIO)
            assert (await heard(device))["state"] == "stop"
            await eventually(lambda: len(server.hellos) == 2)
            await device.send(AUDIO)
            assert await device.recv() == AUDIO


# -- lazily ------------------------------------------------------------------------------


async def test_lazily_only_a_device_that_speaks_has_an_upstream(
    start_gateway: StartGateway,
) -> None:
    async with voice_server() as server:
        gateway = await start_gateway(
            upstream={"urls": [server.url]}, relay={"open": "speech", "release_after_s": 0.3}
        )
        async with dial(gateway.port) as first, dial(gateway.port, "02:00:00:00:00:02") as device:
            await first.send(HELLO)
            assert await first.recv() == server.hello("up-1")  # nobody knew the words yet
            await device.send(HELLO)
            told = await heard(device)
            assert told == json.loads(server.hello(told["session_id"]))
            assert len(server.requests) == 1
            abort = json.dumps({"type": "abort", "session_id": told["session_id"]})
            await device.send(abort)
            assert await device.recv() == abort
            assert json.loads(str(server.heard[0]))["session_id"] == "up-2"
            await eventually(lambda: not server.devices)
            assert {reason for _, reason in server.ended} == {"idle"}
            await device.send(AUDIO)
            assert await device.recv() == AUDIO
            assert (len(server.requests), gateway.counters.takeovers) == (3, 0)


# -- back-pressure -----------------------------------------------------------------------


async def test_a_device_that_does_not_read_holds_its_upstream_back(
    start_gateway: StartGateway,
) -> None:
    sent, count = 0, 8_000

    async def flood(server: VoiceServer, device: ServerConnection) -> None:
        nonlocal sent
        for number in range(count):
            await device.send(number.to_bytes(4) + bytes(4_000))
            sent += 1
        await device.wait_closed()

    async with voice_server(flood) as server:
        gateway = await start_gateway(upstream={"urls": [server.url]})
        async with live(gateway.port, receive_buffer_bytes=8_192) as device:
            await eventually(lambda: sent > 50)
            await settled(lambda: sent)
            assert sent < count
            (session,) = gateway.node.registry
            outbox = session.connection.outbox
            assert outbox is not None
            assert len(outbox) <= gateway.node.limits.frames_per_turn
            numbers = [int.from_bytes((await device.frame())[1][:4]) for _ in range(count)]
            assert numbers == list(range(count))
    assert gateway.counters.outbox_audio_dropped == 0


async def test_an_upstream_that_does_not_read_holds_its_devices_back(
    start_gateway: StartGateway,
) -> None:
    go = asyncio.Event()

    async def deaf(server: VoiceServer, device: ServerConnection) -> None:
        device.transport.pause_reading()
        await go.wait()
        device.transport.resume_reading()
        async for message in device:
            server.heard.append(message)

    async with voice_server(deaf) as server:
        gateway = await start_gateway(
            upstream={"urls": [server.url]}, wire={"messages_per_s": 100_000}
        )
        async with talk(gateway.port) as device:
            sent = 0

            async def say() -> None:
                nonlocal sent
                for number in range(4_000):
                    await device.send(number.to_bytes(4) + bytes(4_000))
                    sent += 1

            saying = asyncio.create_task(say())
            await settled(lambda: sent)
            assert sent < 4_000
            go.set()
            await saying
            await eventually(lambda: len(server.heard) == 4_000)
        numbers = [int.from_bytes(message[:4]) for message in server.heard if message != ""]  # type: ignore[arg-type]
        assert numbers == list(range(4_000))


async def test_an_upstream_that_never_reads_is_replaced(start_gateway: StartGateway) -> None:
    async def deaf(server: VoiceServer, device: ServerConnection) -> None:
        if len(server.hellos) > 1:
            await echo(server, device)
        device.transport.pause_reading()
        await device.wait_closed()

    async with voice_server(deaf) as server:
        gateway = await start_gateway(
            upstream={"urls": [server.url], "check_s": None},
            outbox={"stuck_after_s": 0.5},
            relay={"reopen_within_s": 0.1},
            wire={"messages_per_s": 100_000},
        )
        async with talk(gateway.port) as device:

            async def say() -> None:
                for _ in range(4_000):
                    await device.send(bytes(4_000))

            saying = asyncio.create_task(say())
            assert (await heard(device))["state"] == "stop"
            await eventually(lambda: len(server.hellos) == 2)
            saying.cancel()
            device.transport.abort()  # behind all that, its Close would be late
        why = [line["why"] for line in gateway.logged("upstream_lost")]
        assert why == ["it does not read"]


# -- TLS ---------------------------------------------------------------------------------


async def test_an_upstream_with_tls_is_checked(start_gateway: StartGateway, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    relay = {"ca": str(ca), "hello_timeout_s": 0.5}
    async with voice_server(options={"ssl": context}, host="localhost") as server:
        gateway = await start_gateway(upstream={"urls": [server.url]}, relay=relay)
        async with talk(gateway.port) as device:
            await device.send(AUDIO)
            assert await device.recv() == AUDIO
        other = server.url.replace("localhost", "127.0.0.1")  # which its certificate does not name
        gateway = await start_gateway(upstream={"urls": [other]}, relay=relay)
        async with talk(gateway.port):
            why = gateway.logged("upstream_failed")[0]["why"]
        assert "certificate" in why.lower()
        assert len(server.hellos) == 1
