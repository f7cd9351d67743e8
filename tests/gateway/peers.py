"""Devices on real sockets: a polite one with the `websockets` package, a rude one with bare TCP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from keepline.wire.frames import Opcode, encode_masked
from tests.conftest import DEVICE_ID, TOKEN
from tests.waiting import PATIENCE_S, within

KEY = bytes((0x12, 0x34, 0x56, 0x78))
HELLO = '{"type":"hello","version":1,"transport":"websocket"}'


def identity(device_id: str = DEVICE_ID, token: str | None = TOKEN) -> dict[str, str]:
    """Return the headers by which a device says who it is."""
    headers = {"Device-Id": device_id, "Client-Id": "client-1", "Protocol-Version": "1"}
    return headers if token is None else headers | {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def dial(
    port: int, device_id: str = DEVICE_ID, *, path: str = "/xiaozhi/v1/", **options: Any
) -> AsyncIterator[ClientConnection]:
    """Connect with `websockets`, an independent client; nothing is said yet."""
    headers = options.pop("headers", identity(device_id))
    async with connect(
        f"ws://127.0.0.1:{port}{path}",
        additional_headers=headers,
        compression=None,
        proxy=None,
        ping_interval=None,
        close_timeout=PATIENCE_S,
        **options,
    ) as device:
        yield device


@asynccontextmanager
async def talk(
    port: int, device_id: str = DEVICE_ID, **options: Any
) -> AsyncIterator[ClientConnection]:
    """Connect and say hello; what the gateway answered is read."""
    async with dial(port, device_id, **options) as device:
        await device.send(HELLO)
        assert (await heard(device))["type"] == "hello"
        yield device


async def heard(device: ClientConnection) -> Any:
    """Return the next text message, parsed."""
    message = await asyncio.wait_for(device.recv(), PATIENCE_S)
    assert isinstance(message, str)
    return json.loads(message)


async def heard_audio(device: ClientConnection) -> bytes:
    """Return the next binary message."""
    message = await asyncio.wait_for(device.recv(), PATIENCE_S)
    assert isinstance(message, bytes)
    return message


def request(path: str = "/xiaozhi/v1/", method: str = "GET", **changes: str | None) -> bytes:
    """Return an upgrade as a device sends it; a header that is None is left out."""
    headers: dict[str, str | None] = {
        "Host": "gateway",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        **identity(),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


def text(message: str) -> bytes:
    return encode_masked(Opcode.TEXT, message.encode(), KEY)


def audio(frame: bytes) -> bytes:
    return encode_masked(Opcode.BINARY, frame, KEY)


def ping(payload: bytes = b"") -> bytes:
    return encode_masked(Opcode.PING, payload, KEY)


def pong(payload: bytes = b"") -> bytes:
    return encode_masked(Opcode.PONG, payload, KEY)


def close(payload: bytes = b"") -> bytes:
    return encode_masked(Opcode.CLOSE, payload, KEY)


class Peer:
    """A bare TCP socket: it reads and answers only what a test has it read and answer."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._received = bytearray()

    @classmethod
    async def dial(cls, port: int, *, receive_buffer_bytes: int | None = None) -> Peer:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except (OSError, asyncio.CancelledError):
            sock.close()
            raise
        return cls(sock)

    @classmethod
    async def live(
        cls, port: int, device_id: str = DEVICE_ID, *, receive_buffer_bytes: int | None = None
    ) -> Peer:
        """Connect as far as a session."""
        peer = await cls.dial(port, receive_buffer_bytes=receive_buffer_bytes)
        try:
            await peer.send(request(Device_Id=device_id))
            status, _ = await peer.answer()
            assert status == 101
            await peer.send(text(HELLO))
            opcode, _ = await peer.frame()
            assert opcode == Opcode.TEXT
        except BaseException:
            peer.close()
            raise
        return peer

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def answer(self) -> tuple[int, str]:
        """Read one HTTP response; return its status and its head."""
        while b"\r\n\r\n" not in self._received:
            await self._read_more()
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        self._received = bytearray(rest)
        return int(head.split(b" ", 2)[1]), head.decode()

    async def frame(self, within_s: float = PATIENCE_S) -> tuple[int, bytes]:
        """Read one whole frame up to 64 KiB; return its opcode and payload."""
        await self._read_until(2, within_s)
        length, start = self._received[1], 2
        if length == 126:
            await self._read_until(4)
            length, start = int.from_bytes(self._received[2:4]), 4
        await self._read_until(start + length)
        opcode, payload = self._received[0] & 0x0F, bytes(self._received[start : start + length])
        del self._received[: start + length]
        return opcode, payload

    async def close_code(self) -> int | None:
        """Read up to a Close frame and return its code."""
        while True:
            opcode, payload = await self.frame()
            if opcode == Opcode.CLOSE:
                return int.from_bytes(payload[:2]) if payload else None

    async def end(self, within_s: float = PATIENCE_S) -> str:
        """Read until TCP is gone; return how it went: `fin` or `rst`."""
        loop = asyncio.get_running_loop()
        try:
            async with within(within_s):
                while True:
                    data = await loop.sock_recv(self._socket, 65_536)
                    if not data:
                        return "fin"
                    self._received += data
        except ConnectionError:
            return "rst"

    async def read(self, size: int, within_s: float = PATIENCE_S) -> bytes:
        """Read what is there, `size` bytes at most."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(within_s):
            return await loop.sock_recv(self._socket, size)

    def fin(self) -> None:
        """Say that nothing more will come, as `close` of a device does."""
        self._socket.shutdown(socket.SHUT_WR)

    def rst(self) -> None:
        """Tear the connection down."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    async def _read_until(self, size: int, within_s: float = PATIENCE_S) -> None:
        while len(self._received) < size:
            await self._read_more(within_s)

    async def _read_more(self, within_s: float = PATIENCE_S) -> None:
        data = await self.read(65_536, within_s)
        assert data, f"the gateway has hung up after {bytes(self._received)!r}"
        self._received += data


@asynccontextmanager
async def live(port: int, device_id: str = DEVICE_ID, **options: Any) -> AsyncIterator[Peer]:
    """A rude device with a session; whatever became of it, its socket is closed afterwards."""
    peer = await Peer.live(port, device_id, **options)
    with contextlib.closing(peer):
        yield peer


@asynccontextmanager
async def tcp(port: int) -> AsyncIterator[Peer]:
    """A connection that has said nothing yet."""
    peer = await Peer.dial(port)
    with contextlib.closing(peer):
        yield peer


@asynccontextmanager
async def there(peer: Peer) -> AsyncIterator[None]:
    """Have a peer answer the pings that come meanwhile."""

    async def answer() -> None:
        while True:
            opcode, payload = await peer.frame()
            if opcode == Opcode.PING:
                await peer.send(pong(payload))

    answers = asyncio.ensure_future(answer())
    try:
        yield
    finally:
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
