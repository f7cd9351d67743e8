"""A web server that a webhook is sent to: it remembers, and answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from tests.waiting import EVERY_S


@dataclass
class Received:
    """One request: its headers in lower case, and its body."""

    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def numbers(self) -> list[int]:
        return [event["number"] for event in self.document["events"]]

    def is_signed_with(self, secret: str) -> bool:
        """Verify as a service does that has read the documents only."""
        parts = dict(part.split("=", 1) for part in self.headers["keepline-signature"].split(","))
        signed = f"{parts['t']}.".encode() + self.body
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, parts["v1"])


@dataclass
class Endpoint:
    """Answers with `heads` one after the other, then with 204. Cleared `go` holds answers back."""

    heads: list[str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    drips: bool = False  # a byte of the answer at a time, and never the last

    def __post_init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/s3cret-path"

    async def start(self, **options: Any) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, **options)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.go.set()
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in head[1:-2])
                }
                body = await reader.readexactly(int(headers["content-length"]))
                self.received.append(Received(headers, body))
                await self.go.wait()
                answer = self.heads.pop(0) if self.heads else "204 No Content"
                if self.drips:
                    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while self.drips:
                    if writer.is_closing():  # uvloop takes a write for a fault
                        raise ConnectionResetError
                    writer.write(b".")
                    await writer.drain()
                    await asyncio.sleep(EVERY_S)
                writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        self._writers.discard(writer)
        writer.close()
