"""Leaving on real sockets: who is told what, what is kept, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest

from keepline import Gateway, Handler, Session
from keepline.gateway.drain.progress import Phase
from keepline.messages import Alert, DeviceMessage
from tests.conftest import TOKEN, StartGateway
from tests.gateway.peers import Peer, dial, heard, live, request, talk, tcp
from tests.gateway.upstream import VoiceServer, voice_server
from tests.waiting import eventually

OURS = {"features": {"ack": True, "resume": True, "reconnect": True}}


class Keeps(Handler):
    """Counts, over restarts; a message it is told to send is acknowledged by nobody."""

    def __init__(self) -> None:
        self.count = 0

    def restore(self, state: bytes) -> None:
        self.count = int(state)

    def snapshot(self) -> bytes:
        return str(self.count).encode()

    def text(self, session: Session, message: DeviceMessage) -> None:
        self.count += 1
        session.send(Alert(status="Note", message=f"{self.count}", emotion="happy"))


def gateway(data: Path | None = None, **settings: Any) -> Gateway:
    kept = {} if data is None else {"data_dir": str(data)}
    return Gateway(Keeps, {**kept, **settings}, port=0, token=TOKEN, log=StringIO())


@asynccontextmanager
async def ours(port: int, device_id: str) -> AsyncIterator[tuple[Any, str]]:
    """A client of ours, and what it finds of itself."""
    async with dial(port, device_id) as device:
        await device.send(json.dumps({"type": "hello", **OURS}))
        yield device, (await heard(device))["resume"]


async def test_whatever_was_drained_is_there_after_a_restart(tmp_path: Path) -> None:
    names = [f"device-{number}" for number in range(20)]
    async with gateway(tmp_path) as running, AsyncExitStack() as stack:
        devices = []
        for name in names:
            device, outcome = await stack.enter_async_context(ours(running.port, name))
            assert outcome == "new"
            await device.send('{"type":"custom","payload":1}')
            assert (await heard(device))["message"] == "1"  # which it does not acknowledge
            devices.append(device)
        assert await running.drain()
        for device in devices:
            assert (await heard(device))["type"] == "reconnect"
            await device.wait_closed()
            assert device.close_code == 1012
        assert running.node.drain.progress().unsaved == 0
    async with gateway(tmp_path) as running:
        for name in names:
            async with ours(running.port, name) as (device, outcome):
                assert outcome == "resumed"
                assert (await heard(device))["message"] == "1"
                session = running.session(name)
                assert session is not None
                assert cast("Keeps", session.handler).count == 1


async def test_nothing_is_left_of_a_gateway_that_has_stopped(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    async def live_and_stop() -> None:
        running = Gateway(Keeps, {"data_dir": str(tmp_path)}, port=0, admin_port=0, log=StringIO())
        await running.start()
        peers = [await Peer.live(running.port, f"device-{number}") for number in range(50)]
        async with tcp(running.port):  # one that is half way in
            await running.stop()
        for peer in peers:
            peer.close()
        assert running.sessions == ()

    def nothing_new() -> bool:
        return asyncio.all_tasks() <= tasks and set(threading.enumerate()) <= threads

    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    await live_and_stop()  # what is loaded once stays
    # A stop does not wait for the hub's thread, whose disk may hang; it ends in a moment.
    await eventually(nothing_new)
    before = descriptors()
    await live_and_stop()
    await eventually(nothing_new)
    await eventually(lambda: descriptors() <= before)
    left = set(os.listdir(tmp_path))  # noqa: PTH208 (a look, and no file is opened)
    assert not {name for name in left if name.endswith(("-wal", "-shm", ".sock", ".tmp"))}


async def test_newcomers_are_refused_while_it_leaves_and_let_in_after_an_abort(
    start_gateway: StartGateway,
) -> None:
    running = await start_gateway(
        profiles={"xiaozhi": {"reconnect": "fixed", "reconnect_s": 10}},
        server={"max_connections": 20},
        drain={"rate_per_s": 1},
    )
    peers = [await Peer.live(running.port, f"device-{number}") for number in range(5)]
    drain = running.node.drain
    drain.start("a test")
    await eventually(lambda: drain.phase is Phase.LEAVING)
    async with tcp(running.port) as peer:
        await peer.send(request())
        status, head = await peer.answer()
        assert status == 503
        assert "Retry-After: 10" in head
    drain.abort()
    async with live(running.port, "late"):
        assert len(running.node.registry) >= 5
    for peer in peers:
        peer.close()


async def test_who_comes_to_sockets_that_others_have_waits_for_them() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as shared:
        shared.setblocking(False)
        port = shared.getsockname()[1]
        lent = shared.dup()
        running = Gateway(Keeps, token=TOKEN, log=StringIO(), sockets=[lent])
        await running.start()
        async with talk(port):
            assert await running.drain()
        async with tcp(port) as patient:
            await patient.send(request())
            await asyncio.sleep(0.1)
            await running.stop()
            async with Gateway(Keeps, token=TOKEN, log=StringIO(), sockets=[shared.dup()]):
                assert (await patient.answer())[0] == 101


async def test_a_relayed_device_is_closed_when_its_upstream_has_said_all(
    start_gateway: StartGateway,
) -> None:
    said_all = asyncio.Event()

    async def answers(server: VoiceServer, device: Any) -> None:
        await device.recv()
        await device.send('{"type":"tts","state":"start"}')
        await said_all.wait()
        await device.send('{"type":"tts","state":"stop"}')
        await device.wait_closed()

    async with voice_server(answers) as server:
        running = await start_gateway(upstream={"urls": [server.url]})
        async with talk(running.port) as device:
            await device.send('{"type":"listen","state":"detect","text":"hi"}')
            assert (await heard(device))["state"] == "start"
            leaving = asyncio.create_task(running.gateway.stop())
            await eventually(lambda: running.node.drain.progress().talking == 1)
            await asyncio.sleep(0.3)
            assert len(running.node.registry) == 1
            said_all.set()
            assert (await heard(device))["state"] == "stop"
            assert (await heard(device))["type"] == "alert"
            await device.wait_closed()
            assert device.close_code == 1001
            await leaving
        await eventually(lambda: not server.devices)
    assert running.node.drain.progress().counts.cut == 0


async def test_a_program_drains_follows_and_then_stops() -> None:
    running = gateway()
    await running.start()
    async with talk(running.port) as device:
        assert await running.drain(target="wss://other.example/")
        await device.wait_closed()
    assert running.sessions == ()
    with pytest.raises(Exception, match="503"):
        async with dial(running.port):
            pass
    await running.stop()
