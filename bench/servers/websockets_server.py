"""The `websockets` package: its asyncio server, no compression, pings by its own keepalive."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.exceptions import ConnectionClosed

from bench.servers.same_work import (
    BACKLOG,
    MESSAGE_BYTES,
    Options,
    hello_answer,
    is_listening,
    run,
)

if TYPE_CHECKING:
    from websockets.http11 import Request, Response


async def serve(options: Options) -> None:
    bearer = f"Bearer {options.token}"
    devices: dict[str, ServerConnection] = {}

    def check(connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != bearer:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "wrong token\n")
        return None

    async def live(connection: ServerConnection) -> None:
        assert connection.request is not None
        device_id = connection.request.headers["Device-Id"]
        devices[device_id] = connection
        try:
            await connection.send(hello_answer(await connection.recv(), uuid4().hex))
            listening = False
            async for message in connection:
                if isinstance(message, str):
                    listening = is_listening(message, before=listening)
                elif listening:
                    await connection.send(message)
        except ConnectionClosed:
            pass  # gone without a Close frame: how a device leaves
        finally:
            if devices.get(device_id) is connection:
                del devices[device_id]

    server = await websockets_serve(
        live,
        "127.0.0.1",
        options.port,
        process_request=check,
        compression=None,
        ping_interval=options.interval_s,
        ping_timeout=60,
        max_size=MESSAGE_BYTES,
        backlog=BACKLOG,
    )
    await server.start_serving()


if __name__ == "__main__":
    run(serve)
