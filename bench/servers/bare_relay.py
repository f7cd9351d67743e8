"""The floor of a relay: the same two sockets for each device, and their bytes as they come.

It reads no frame, unmasks nothing, checks nothing and knows no heartbeat; only back-pressure is
passed on, since without it a relay would fill memory.

python -m bench.servers.bare_relay --port PORT --upstream-port PORT
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from typing import cast

import uvloop

from bench.servers.same_work import BACKLOG


class Side(asyncio.Protocol):
    """One socket of a pair."""

    __slots__ = ("_early", "_other", "_transport")

    def __init__(self) -> None:
        self._other: Side | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def join(self, other: Side) -> None:
        """Pass on what comes, and what has come."""
        self._other = other
        if self._early:
            other.write(self._early)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        else:
            self._other.write(data)

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.resume_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._other is not None:
            self._other.close()

    def close(self) -> None:
        self._transport.close()


class Options(argparse.Namespace):
    """From the command line."""

    port: int
    upstream_port: int


async def serve(options: Options) -> None:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def connect(device: Side) -> None:
        _, upstream = await loop.create_connection(Side, "127.0.0.1", options.upstream_port)
        device.join(upstream)
        upstream.join(device)

    class Device(Side):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            task = loop.create_task(connect(self))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await loop.create_server(Device, "127.0.0.1", options.port, backlog=BACKLOG)
    await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream-port", type=int, required=True)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(parser.parse_args(namespace=Options())))


if __name__ == "__main__":
    main()
