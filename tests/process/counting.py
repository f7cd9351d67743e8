"""A handler that counts, and devices that notice when a count is off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.process.processes import GIVE_UP_AFTER_S, TOKEN

COUNTER = """
from keepline import Handler
from keepline.messages import Custom


class Counter(Handler):
    def __init__(self):
        self.count = 0

    def restore(self, state):
        self.count = int(state)

    def snapshot(self):
        return str(self.count).encode()

    async def text(self, session, message):
        self.count += 1
        if message.payload == "save":
            await session.save(str(self.count).encode())
        session.send(Custom(payload=self.count))
"""

PAUSE_S = 0.5
KEEPS = tuple("13579")


class Fleet:
    """Devices that count what was acknowledged to them, and what else happened.

    What some of them are told is saved each time, what the others are told only at a session's end.
    """

    def __init__(self, port: int, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._url = f"ws://127.0.0.1:{port}/xiaozhi/v1/"
        self.is_over = False
        self.connects: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()
        self.refused: list[str] = []
        self.wrong: list[str] = []

    async def live(self, device_id: str) -> None:
        """Stay connected, come back at once, and have one thing after the other saved."""
        while not self.is_over:
            try:
                async with await self.connected(device_id) as connection:
                    while not self.is_over:
                        await self.count(device_id, connection)
                        await asyncio.sleep(self._pause_s)
            except ConnectionClosed:
                continue  # what was not acknowledged may be saved all the same
            except (OSError, WebSocketException) as error:
                self.refused.append(f"{device_id}: {error!r}")
                await asyncio.sleep(PAUSE_S)

    async def visit(self, device_id: str) -> None:
        """Come, have one thing saved, and go."""
        try:
            async with await self.connected(device_id) as connection:
                with contextlib.suppress(ConnectionClosed):
                    await self.count(device_id, connection)
        except (OSError, WebSocketException) as error:
            self.refused.append(f"{device_id}: {error!r}")

    async def connected(self, device_id: str) -> ClientConnection:
        connection = await connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {TOKEN}", "Device-Id": device_id},
            compression=None,
            proxy=None,
            close_timeout=0.1,
            open_timeout=GIVE_UP_AFTER_S,
        )
        await connection.send('{"type":"hello","version":1,"transport":"websocket"}')
        await connection.recv()
        self.connects[device_id] += 1
        return connection

    async def count(self, device_id: str, connection: ClientConnection) -> None:
        wish = "keep" if device_id.endswith(KEEPS) else "save"
        await connection.send(json.dumps({"type": "custom", "payload": wish}))
        async with asyncio.timeout(GIVE_UP_AFTER_S):
            count = json.loads(await connection.recv())["payload"]
        # One more may have been counted whose acknowledgement was under way when TCP ended.
        before = self.acknowledged[device_id]
        if not before < count <= before + self.connects[device_id]:
            self.wrong.append(f"{device_id}: {count} after {before}")
        self.acknowledged[device_id] = count
