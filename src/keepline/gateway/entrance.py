"""What a socket goes through before its first byte of HTTP: PROXY header, limits, TLS."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING

from keepline.errors import RefusedError
from keepline.gateway.descriptor import Handover
from keepline.gateway.gone import GONE
from keepline.gateway.sockets import set_kernel_timeout
from keepline.gateway.tls import tls_error
from keepline.reasons import CloseReason
from keepline.wire.proxy_header import V2_BYTES, ProxyHeader, read_proxy_header

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.door import Door
    from keepline.gateway.node import Node
    from keepline.gateway.tls import Certificates


class Entrance:
    """The way from an accepted socket to a door with a transport; one for all of a gateway."""

    def __init__(self, node: Node, certificates: Certificates | None) -> None:
        proxy = node.settings.proxy
        self._node = node
        self._certificates = certificates
        self._handover = Handover(node.loop)
        self._header = proxy.header
        self._trusted = [ipaddress.ip_network(text) for text in proxy.trusted]

    def is_trusted(self, address: str) -> bool:
        """Return whether that is a proxy of ours."""
        if not address or not self._trusted:
            return False
        ip = ipaddress.ip_address(address)
        return any(ip in network for network in self._trusted)

    async def open(self, door: Door, sock: socket.socket, address: str) -> None:
        """Give `door` its transport, its address and, if there is room, its way in.

        Raises PeerError for what cannot be answered in HTTP, ConnectionError when the peer leaves.
        Whatever it raises, the socket is closed.
        """
        try:
            await self._open(door, sock, address)
        except BaseException:
            if door.opened:
                # The loop has closed it while it took it over, and will not say so.
                door.transport.abort()
                door.transport = GONE
            else:
                sock.close()
            raise

    async def _open(self, door: Door, sock: socket.socket, address: str) -> None:
        door.address = address
        if self._header != "none" and self.is_trusted(address):
            set_kernel_timeout(sock, None)  # its acknowledgements are its own
            if self._header == "proxy":
                door.unanswered = CloseReason.PROXY_HEADER_INVALID
                told = await receive_proxy_header(self._node.loop, sock)
                address = told.address or address
                door.secure = told.secure
            else:
                door.proxy = self
        if door.proxy is None:
            try:
                door.come_from(address)
            except RefusedError as error:
                door.turn_away(error)
                self._node.arrivals.step_aside()
        if self._certificates is None:
            await self._node.loop.connect_accepted_socket(lambda: door, self._handover.of(sock))
        elif door.turned_away is not None:
            raise door.turned_away  # an answer is not worth a handshake
        else:
            door.unanswered = CloseReason.TLS_FAILED
            await self._shake_hands(door, sock, self._certificates.context)

    async def _shake_hands(self, door: Door, sock: socket.socket, tls: ssl.SSLContext) -> None:
        door.secure = True
        default = self._node.profiles.default
        try:
            await self._node.loop.connect_accepted_socket(
                lambda: door,
                self._handover.of(sock),
                ssl=tls,
                # The one deadline of the admission is shorter.
                ssl_handshake_timeout=2 * default.hello_timeout_s,
                ssl_shutdown_timeout=default.close_timeout_s,
            )
        except ssl.SSLError as error:
            raise tls_error(error) from None


async def receive_proxy_header(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> ProxyHeader:
    """Take the PROXY header off a socket, and not one byte more: what follows may be TLS.

    Raises PeerError for bytes that are none, ConnectionResetError when the peer leaves.
    """
    sock.setblocking(False)
    taken = b""
    while True:
        try:
            seen = sock.recv(V2_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(loop, sock)
            continue
        if not seen:
            raise ConnectionResetError("left before its PROXY header was whole")
        header = read_proxy_header(taken + seen)
        # Of a header that is not whole yet every byte belongs to it.
        taken += sock.recv(len(seen) if header is None else header.size - len(taken))
        if header is not None:
            return header


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
