"""The least that is a device: a WebSocket client that says hello and is answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

DEVICE_ID = "02:00:00:00:00:01"
HELLO = {"type": "hello", "version": 1, "transport": "websocket", "features": {"mcp": True}}


@asynccontextmanager
async def device_of(gateway: Any, url: str = "") -> AsyncIterator[ClientConnection]:
    """A device with a session, at `url` or where `gateway` takes devices."""
    headers = {"Authorization": f"Bearer {gateway.token}", "Device-Id": DEVICE_ID}
    async with connect(url or gateway.url, additional_headers=headers) as device:
        await device.send(json.dumps(HELLO))
        assert (await next_message(device))["type"] == "hello"
        yield device


async def next_message(device: ClientConnection) -> dict[str, Any]:
    """Return the next text message; fails the test when it is audio."""
    message: dict[str, Any] = json.loads(await device.recv())
    return message


async def says(device: ClientConnection, text: str) -> None:
    """Have the device hear its person say `text`."""
    await device.send(json.dumps({"type": "listen", "state": "detect", "text": text}))
