"""aiohttp: a WebSocketResponse with its own heartbeat, no compression, no access log."""

from __future__ import annotations

from uuid import uuid4

from aiohttp import WSMsgType, web

from bench.servers.same_work import (
    BACKLOG,
    MESSAGE_BYTES,
    Options,
    hello_answer,
    is_listening,
    run,
)


async def serve(options: Options) -> None:
    bearer = f"Bearer {options.token}"
    devices: dict[str, web.WebSocketResponse] = {}

    async def live(request: web.Request) -> web.WebSocketResponse:
        if request.headers.get("Authorization") != bearer:
            raise web.HTTPUnauthorized
        socket = web.WebSocketResponse(
            heartbeat=options.interval_s, compress=False, max_msg_size=MESSAGE_BYTES
        )
        await socket.prepare(request)
        device_id = request.headers["Device-Id"]
        devices[device_id] = socket
        try:
            await socket.send_str(hello_answer(await socket.receive_str(), uuid4().hex))
            listening = False
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    listening = is_listening(message.data, before=listening)
                elif message.type is WSMsgType.BINARY and listening:
                    await socket.send_bytes(message.data)
        finally:
            if devices.get(device_id) is socket:
                del devices[device_id]
        return socket

    app = web.Application()
    app.router.add_get("/xiaozhi/v1/", live)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port, backlog=BACKLOG).start()


if __name__ == "__main__":
    run(serve)
