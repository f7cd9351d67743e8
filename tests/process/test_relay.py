"""The commands of the page about the relay, with a voice server that is really there."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.gateway.callback_server import Server, says
from tests.gateway.peers import HELLO, heard
from tests.gateway.upstream import VoiceServer, voice_server
from tests.house.sources import ROOT
from tests.process.processes import PORTS, Start, ends, read_until
from tests.waiting import ANSWER_S

PAGE = (ROOT / "docs" / "relay.md").read_text("utf-8")
COMMANDS = re.findall(r"```\n(keepline serve .*)\n```", PAGE)
IDS = {"Device-Id": "02:00:00:00:00:01", "Client-Id": "client-1"}


@asynccontextmanager
async def configured(server: VoiceServer) -> AsyncIterator[str]:
    """The voice server's configuration address."""
    configuration = Server()
    configuration.response = says(websocket={"url": server.url, "token": "theirs"})
    listening = await asyncio.start_server(configuration.serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/xiaozhi/ota/"
    listening.close()
    await configuration.stop()


async def configuration_of(port: object) -> object:
    """Return where a board is told to connect."""
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_S) as board:
        url = f"http://127.0.0.1:{port}/xiaozhi/ota/"
        answer = await board.post(url, headers=IDS, json={"mac_address": IDS["Device-Id"]})
    return answer.json()["websocket"]["url"]


def arguments(command: str, server: VoiceServer, configuration: str) -> list[str]:
    """Return a command of the page for servers of this machine."""
    here = re.sub(r"ws://10\.0\.0\.\d+:8000", f"ws://127.0.0.1:{server.port}", command)
    here = here.replace("http://10.0.0.5:8003/xiaozhi/ota/", configuration)
    assert "10.0.0" not in here
    return shlex.split(here)[1:]


@pytest.mark.parametrize("number", range(len(COMMANDS)))
async def test_a_device_talks_to_the_server_behind_the_command(start: Start, number: int) -> None:
    command = COMMANDS[number]
    # The second of two upstreams is not there: a device is passed on to the other.
    async with voice_server() as server, configured(server) as configuration:
        command = re.sub(r"ws://10\.0\.0\.6:8000", "ws://127.0.0.1:9", command)
        process = start(*arguments(command, server, configuration), *PORTS)
        port = (await asyncio.to_thread(read_until, process.stderr, "started"))["port"]
        url = f"ws://127.0.0.1:{port}/xiaozhi/v1/"
        async with connect(url, additional_headers=IDS, proxy=None) as device:
            await device.send(HELLO)
            assert (await heard(device))["type"] == "hello"
            await device.send(b"audio")
            assert await device.recv() == b"audio"
        if "enrolment" in command:
            assert await configuration_of(port) == url
        process.terminate()
        status, _, complaints = await asyncio.to_thread(ends, process)
    assert status == 0
    endings = [json.loads(line) for line in complaints.splitlines()]
    assert "device_said_close" in {line.get("cause") for line in endings}
