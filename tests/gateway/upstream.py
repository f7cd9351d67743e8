"""A voice server for tests, with the `websockets` package: it remembers what it heard."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Live = Callable[["VoiceServer", ServerConnection], Awaitable[None]]


async def echo(server: VoiceServer, device: ServerConnection) -> None:
    async for message in device:
        server.heard.append(message)
        await device.send(message)


class VoiceServer:
    """Answers hellos with session ids `up-1`, `up-2`, …; then `live` has the connection."""

    def __init__(self, live: Live = echo) -> None:
        self.live = live
        self.host = "127.0.0.1"
        self.port = 0
        self.requests: list[Request] = []
        self.hellos: list[str] = []
        self.heard: list[str | bytes] = []
        self.devices: set[ServerConnection] = set()
        self.ended: list[tuple[int | None, str | None]] = []
        self.refuses: HTTPStatus | None = None
        self.says_hello = True
        self.options: dict[str, Any] = {}
        self._server: Server | None = None

    @property
    def url(self) -> str:
        scheme = "wss" if "ssl" in self.options else "ws"
        return f"{scheme}://{self.host}:{self.port}/voice?from=keepline"

    async def start(self) -> None:
        self._server = await serve(
            self._serve,
            self.host,
            self.port,
            process_request=self._judge,
            compression=None,
            ping_interval=None,
            close_timeout=1,
            **self.options,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Leave as a server that is restarted does: with 1001."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def kill(self) -> None:
        """End without a word: TCP is reset."""
        assert self._server is not None
        self._server.close(close_connections=False)
        for device in list(self.devices):
            device.transport.abort()
        await self._server.wait_closed()

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return None if self.refuses is None else connection.respond(self.refuses, "no\n")

    async def _serve(self, device: ServerConnection) -> None:
        self.devices.add(device)
        try:
            with contextlib.suppress(ConnectionClosed):
                hello = await device.recv()
                assert isinstance(hello, str)
                self.hellos.append(hello)
                if self.says_hello:
                    await device.send(self.hello(f"up-{len(self.hellos)}"))
                await self.live(self, device)
        finally:
            self.devices.discard(device)
            self.ended.append((device.close_code, device.close_reason))

    @staticmethod
    def hello(session_id: str) -> str:
        audio = {"format": "opus", "sample_rate": 16_000, "channels": 1, "frame_duration": 60}
        words = {"type": "hello", "transport": "websocket", "session_id": session_id}
        return json.dumps({**words, "audio_params": audio})


@asynccontextmanager
async def voice_server(live: Live = echo, **attributes: Any) -> AsyncIterator[VoiceServer]:
    """A voice server that listens; attributes are set before it does."""
    server = VoiceServer(live)
    for name, value in attributes.items():
        setattr(server, name, value)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
