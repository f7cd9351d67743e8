"""The other side of an authentication callback: a small HTTP server that can misbehave."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from typing import Any

import pytest

from keepline.clock import ManualClock
from keepline.errors import RefusedError
from keepline.gateway.auth.callback import Callback
from keepline.gateway.auth.credentials import Ids
from keepline.gateway.identity import Identity
from keepline.log import Log
from keepline.monitor.metrics import Counters
from keepline.reasons import CloseReason
from keepline.settings.auth import Auth
from tests.unit.gateway.fakes import device_request

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
TOKEN = "t0ken-of-the-device"


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(**fields: object) -> bytes:
    return answer("200 OK", json.dumps(fields).encode(), Content_Type="application/json")


class Server:
    """Takes one request a time on each connection and answers with `response`, as raw bytes."""

    def __init__(self) -> None:
        self.response = OK
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.most_at_once = 0
        self._at_once = 0
        self.hold: asyncio.Event | None = None
        self.left = 0  # peers that left before they were answered
        self.drip_s: float | None = None
        self.port = 0
        self.serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            while True:
                await self._one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.serving.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        serving = list(self.serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((first, dict(line.split(": ", 1) for line in lines), body))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.hold is not None:
                await self._held(reader, self.hold)
            if self.drip_s is None:
                writer.write(self.response)
            else:
                for byte in self.response:
                    if writer.is_closing():  # uvloop takes a write for a fault
                        raise ConnectionResetError
                    writer.write(bytes([byte]))
                    await asyncio.sleep(self.drip_s)
            await writer.drain()
        finally:
            self._at_once -= 1

    async def _held(self, reader: asyncio.StreamReader, hold: asyncio.Event) -> None:
        go, gone = asyncio.ensure_future(hold.wait()), asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({go, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                self.left += 1
                raise ConnectionResetError
        finally:
            for task in (go, gone):
                task.cancel()
            await asyncio.gather(go, gone, return_exceptions=True)


class Asker:
    """A callback with its clock moved by hand."""

    def __init__(self, port: int, **settings: Any) -> None:
        url = f"http://127.0.0.1:{port}/auth?fleet=7"
        auth = Auth.model_validate({"mode": "callback", "callback_url": url, **settings})
        self.clock = ManualClock()
        self.counters = Counters()
        self.lines = StringIO()
        log = Log(self.lines, self.clock, level="debug", style="json", fold_per_s=1_000)
        self.callback = Callback(auth, Ids(auth), clock=self.clock, log=log, counters=self.counters)

    async def judges(self, device_id: str = "device-1", token: str = TOKEN) -> Identity:
        headers = {
            "authorization": f"Bearer {token}",
            "device-id": device_id,
            "client-id": "client-1",
        }
        return await self.callback.judge(device_request(headers=headers, address="192.0.2.1"))

    async def refuses(self, *arguments: str) -> RefusedError:
        with pytest.raises(RefusedError) as refused:
            await self.judges(*arguments)
        assert TOKEN not in self.lines.getvalue()
        return refused.value

    async def cannot_ask(self, *arguments: str) -> RefusedError:
        error = await self.refuses(*arguments)
        assert error.reason is CloseReason.AUTH_UNAVAILABLE
        assert error.retry_after_s
        return error
