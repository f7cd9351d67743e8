"""A cable between a node and its engine, to be cut, to be held and to be mended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

BYTES = 65_536


class Cable:
    """Passes on what comes at its own port to another; `is_held` passes nothing on, in silence."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._to = port
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._free = asyncio.Event()
        self._free.set()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        """Let connections through, from now on."""
        self._free.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        """Pass nothing on; connections stay open."""
        self._free.clear()

    async def cut(self) -> None:
        """End every connection, and let none through."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in self._ends:
            end.transport.abort()
        for task in self._passing:
            task.cancel()
        if self._passing:
            await asyncio.wait(set(self._passing))

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        for source, sink in ((reader, back), (there, writer)):
            self._ends.add(sink)
            task = asyncio.get_running_loop().create_task(self._pass(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(BYTES):
                    await self._free.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            self._ends.discard(sink)
            sink.transport.abort()
