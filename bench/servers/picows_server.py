"""picows, tuned to be lean: small read buffers, no logger per connection, one wheel for pings."""

from __future__ import annotations

import logging
from uuid import uuid4

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from bench.servers.same_work import BACKLOG, Options, hello_answer, is_listening, run
from bench.servers.wheel import Wheel


class Node:
    """What the connections share."""

    def __init__(self, options: Options) -> None:
        self.bearer = f"Bearer {options.token}"
        self.wheel = Wheel(options.interval_s)
        self.devices: dict[str, Device] = {}
        self.pings = 0


class Device(WSListener):
    """One device."""

    def __init__(self, node: Node, device_id: str) -> None:
        super().__init__()
        self._node = node
        self._device_id = device_id
        self._listening = False
        self.wheel_slot = -1  # set by the hello

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._node.devices[self._device_id] = self
        del transport.request.headers, transport.response.headers  # 4 KiB nobody needs any more

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        if self.wheel_slot >= 0:
            self._node.wheel.discard(self)
        if self._node.devices.get(self._device_id) is self:
            del self._node.devices[self._device_id]

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.BINARY:
            if self._listening:
                transport.send(WSMsgType.BINARY, frame.get_payload_as_bytes())
        elif kind == WSMsgType.TEXT:
            text = frame.get_payload_as_utf8_text()
            if self.wheel_slot >= 0:
                self._listening = is_listening(text, before=self._listening)
            else:
                transport.send(WSMsgType.TEXT, hello_answer(text, uuid4().hex).encode())
                self._node.wheel.add(self)
        elif kind == WSMsgType.CLOSE:
            transport.disconnect()

    def ping(self) -> None:
        self._node.pings += 1
        self._transport.send_ping((self._node.pings & 0xFFFFFFFF).to_bytes(4, "big"))


async def serve(options: Options) -> None:
    node = Node(options)

    def admit(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        if request.headers.get("Authorization") != node.bearer:
            refusal = WSUpgradeResponse.create_error_response(401, b"wrong token\n")
            return WSUpgradeResponseWithListener(refusal, None)
        return Device(node, request.headers["Device-Id"])

    logger = logging.getLogger("picows")
    logger.setLevel(logging.ERROR)
    server = await ws_create_server(
        admit,
        "127.0.0.1",
        options.port,
        logger_name=logging.LoggerAdapter(logger, {}),
        read_buffer_init_size=2048,
        backlog=BACKLOG,
    )
    await server.start_serving()


if __name__ == "__main__":
    run(serve)
