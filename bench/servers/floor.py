"""The floor: the same bytes on the wire from a bare `asyncio.Protocol`, and nothing else.

It has no UTF-8 check, no fragmentation, no limits, no timeouts, no reserved-bit check, no log, no
metrics, no closing handshake and no judgement of silence: what Keepline costs beyond this is what
Keepline does beyond this.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import cast
from uuid import uuid4

from bench.servers.same_work import BACKLOG, Options, hello_answer, is_listening, run
from bench.servers.wheel import Wheel

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Node:
    """What the connections share."""

    def __init__(self, options: Options) -> None:
        self.bearer = b"Bearer " + options.token.encode()
        self.wheel = Wheel(options.interval_s)
        self.devices: dict[bytes, Connection] = {}
        self.pings = 0


class Connection(asyncio.Protocol):
    """One device."""

    __slots__ = ("_device_id", "_listening", "_node", "_partial", "_transport", "wheel_slot")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._device_id: bytes | None = None  # set by the upgrade
        self._listening = False
        self._partial = b""
        self.wheel_slot = -1  # set by the hello

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self.wheel_slot >= 0:
            self._node.wheel.discard(self)
        if self._device_id is not None and self._node.devices.get(self._device_id) is self:
            del self._node.devices[self._device_id]

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
            self._partial = b""
        if self._device_id is None:
            data = self._upgrade(data)
        size = len(data)
        at = 0
        while size - at >= 6:
            head = data[at + 1]
            if head < 0xFE:
                start = at + 6
                end = start + (head & 0x7F)
            elif size - at >= 8:
                start = at + 8
                end = start + int.from_bytes(data[at + 2 : at + 4], "big")
            else:
                break
            if end > size:
                break
            length = end - start
            key = data[start - 4 : start]
            mask = (key * (length // 4 + 1))[:length]
            number = int.from_bytes(data[start:end], "big") ^ int.from_bytes(mask, "big")
            self._frame(data[at] & 0x0F, number.to_bytes(length, "big"))
            at = end
        if at < size:
            self._partial = data[at:]

    def ping(self) -> None:
        self._node.pings += 1
        self._transport.write(b"\x89\x04" + (self._node.pings & 0xFFFFFFFF).to_bytes(4, "big"))

    def _upgrade(self, data: bytes) -> bytes:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            self._partial = data
            return b""
        headers = {}
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if headers.get(b"authorization") != self._node.bearer:
            self._transport.write(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return b""
        accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())
        self._device_id = headers[b"device-id"]
        self._node.devices[self._device_id] = self
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return rest

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == _BINARY:
            if self._listening:
                self._transport.write(_head(_BINARY, len(payload)) + payload)
        elif opcode == _TEXT:
            if self.wheel_slot >= 0:
                self._listening = is_listening(payload, before=self._listening)
            else:
                answer = hello_answer(payload, uuid4().hex).encode()
                self._transport.write(_head(_TEXT, len(answer)) + answer)
                self._node.wheel.add(self)
        elif opcode == _PING:
            self._transport.write(_head(_PONG, len(payload)) + payload)
        elif opcode == _CLOSE:
            self._transport.close()


def _head(opcode: int, size: int) -> bytes:
    if size < 126:
        return bytes((0x80 | opcode, size))
    return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")


async def serve(options: Options) -> None:
    node = Node(options)
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Connection(node), "127.0.0.1", options.port, backlog=BACKLOG)


if __name__ == "__main__":
    run(serve)
