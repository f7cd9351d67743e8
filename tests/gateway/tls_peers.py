"""Devices that speak TLS: real `ssl` on a bare socket, which reads only when a test has it read."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from tests.conftest import DEVICE_ID
from tests.gateway.peers import HELLO, Peer, request, text
from tests.waiting import PATIENCE_S

NAME = "gateway.test"


class Authority:
    """An authority, the pairs it made, and what its clients trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()

    def pair(self, name: str = NAME, *, days: int = 365) -> dict[str, str]:
        """Return settings with a new certificate and its key, each in a file of its own."""
        until = datetime.now(UTC) + timedelta(days=days)
        leaf = self._ca.issue_cert(name, not_after=until)
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key.write_bytes(leaf.private_key_pem.bytes())
        return {"certificate": str(certificate), "key": str(key)}

    def spoil(self, what: str) -> None:
        """Leave a pair that cannot be used, as an operator might."""
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        if what == "no key":
            key.unlink()
        elif what == "half":  # the new certificate is written, its key not yet
            old_key = key.read_bytes()
            self.pair()
            key.write_bytes(old_key)
        else:
            {"certificate": certificate, "key": key}[what].write_text("no pem")

    def file(self) -> str:
        path = self.folder / "ca.pem"
        path.write_bytes(self._ca.cert_pem.bytes())
        return str(path)

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=self._ca.cert_pem.bytes().decode())
        return context

    def known_client(self) -> ssl.SSLContext:
        """Return a client's context with a certificate of its own."""
        context = self.client()
        self._ca.issue_cert("device.test").configure_cert(context)
        return context


class TlsPeer(Peer):
    """As `Peer`, behind TLS."""

    _tls: ssl.SSLObject
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO

    @classmethod
    async def shake_hands(
        cls, port: int, context: ssl.SSLContext, *, receive_buffer_bytes: int | None = None
    ) -> TlsPeer:
        peer = await cls.dial(port, receive_buffer_bytes=receive_buffer_bytes)
        assert isinstance(peer, cls)
        try:
            await peer.start_tls(context)
        except BaseException:
            peer.close()
            raise
        return peer

    async def start_tls(self, context: ssl.SSLContext, *, before: bytes = b"") -> None:
        """Shake hands; `before` goes out in one packet with the first bytes of it."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._outgoing.write(before)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=NAME)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self._flush()
                    await self._feed()
                except ssl.SSLError:
                    await self._flush()  # what it thinks of the certificate
                    raise
                else:
                    await self._flush()
                    return

    @property
    def version(self) -> str | None:
        return self._tls.version()

    @property
    def serial_number(self) -> object:
        certificate = self._tls.getpeercert()
        assert certificate is not None
        return certificate["serialNumber"]

    async def send(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    async def read(self, size: int, within_s: float = PATIENCE_S) -> bytes:
        """Read what is there; nothing once the gateway has said goodbye in TLS."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    return self._tls.read(size)
                except ssl.SSLWantReadError:
                    await self._feed()
                except ssl.SSLZeroReturnError:
                    return b""

    async def goodbye(self) -> None:
        """Say the goodbye of TLS, and wait for nothing."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        await self._flush()

    async def _feed(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self._socket, 65_536)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def open_session(self, device_id: str = DEVICE_ID) -> None:
        await self.send(request(Device_Id=device_id))
        status, _ = await self.answer()
        assert status == 101
        await self.send(text(HELLO))
        await self.frame()


@asynccontextmanager
async def tls_live(
    port: int,
    context: ssl.SSLContext,
    device_id: str = DEVICE_ID,
    *,
    receive_buffer_bytes: int | None = None,
) -> AsyncIterator[TlsPeer]:
    """A device with a session over TLS; its socket is closed afterwards."""
    peer = await TlsPeer.shake_hands(port, context, receive_buffer_bytes=receive_buffer_bytes)
    with contextlib.closing(peer):
        await peer.open_session(device_id)
        yield peer
