"""A gateway nobody here wrote as the upstream: `stackchan-mcp` from PyPI, installed elsewhere.

Its dependencies are not this project's: install it elsewhere, and say where its command is.
KEEPLINE_STACKCHAN=/path/to/venv/bin/stackchan-mcp make soak
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from keepline.fleet.habits import Habits
from keepline.fleet.runner import run_fleet
from tests.conftest import TOKEN, StartGateway

COMMAND = os.environ.get("KEEPLINE_STACKCHAN", "")
SECRET = "between-the-two"
MCP = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {SECRET}"}

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not COMMAND, reason="KEEPLINE_STACKCHAN does not say where it is"),
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def stackchan(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The ports for devices and for MCP of a running one."""
    devices, mcp = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HOST": "127.0.0.1",
        "STACKCHAN_TOKEN": SECRET,
        "WS_PORT": str(devices),
        "CAPTURE_PORT": str(free_port()),
        "MCP_HTTP_PORT": str(mcp),
    }
    command = [COMMAND, "serve", "--transport", "streamable-http", "--no-mdns"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    yield devices, mcp
    process.terminate()
    process.wait(20)


async def called(client: httpx.AsyncClient, tool: str, **arguments: object) -> str:
    """Return what a tool of a device answers, called through the upstream's own MCP."""
    hello: dict[str, object] = {"protocolVersion": "2025-03-26", "capabilities": {}}
    hello["clientInfo"] = {"name": "test", "version": "1"}
    opened = await client.post("/mcp", json=request(1, "initialize", hello))
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await client.post("/mcp", json=ready, headers=session)
    call = request(2, "tools/call", {"name": tool, "arguments": arguments})
    return (await client.post("/mcp", json=call, headers=session)).text


def request(number: int, method: str, params: dict[str, object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def test_stackchan_calls_the_tools_of_a_device_through_us(
    start_gateway: StartGateway, stackchan: tuple[int, int]
) -> None:
    devices, mcp = stackchan
    await listening(devices)
    await listening(mcp)
    gateway = await start_gateway(
        upstream={"urls": [f"ws://127.0.0.1:{devices}/"]}, relay={"token": SECRET}
    )
    fleet = asyncio.create_task(
        run_fleet(
            gateway.url,
            devices=1,
            token=TOKEN,
            seconds=8,
            seed=1,
            ramp_per_s=10,
            on_progress=lambda _: None,
            habits=Habits(hang_up=0.0, die=0.0, audio_versions=(1,)),
        )
    )
    await asyncio.sleep(2)
    url = f"http://127.0.0.1:{mcp}"
    async with httpx.AsyncClient(base_url=url, headers=MCP, trust_env=False) as client:
        assert "true" in await called(client, "set_volume", volume=30)
        assert "30" in await called(client, "get_device_info")
    report = await fleet
    assert (report.counts.hellos, report.counts.lost) == (1, 0)
    assert report.counts.tool_answers >= 4  # initialize, tools/list and the two calls
