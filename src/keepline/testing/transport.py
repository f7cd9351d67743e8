"""The way between a gateway and a device in the same memory."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Peer(Protocol):
    """Who is at the other end."""

    def receive(self, data: bytes) -> None:
        """Take what the gateway wrote."""

    def receive_eof(self) -> None:
        """The gateway writes no more."""

    def lose(self) -> None:
        """The connection is gone."""


class MemoryTransport(asyncio.Transport):
    """The gateway's end; the device's are `deliver` and `deliver_eof`.

    What the device sends arrives in the next turn of the loop, as from a network.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: Peer) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000)})
        self._loop = loop
        self._peer = peer
        self._protocol: Any = None
        self._is_reading = True
        self._is_closing = False
        self._has_ended = False
        self._on_the_way: deque[Callable[[], None]] = deque()

    # -- the device's end ------------------------------------------------------------------

    def deliver(self, data: bytes) -> None:
        """Have the gateway receive `data`."""
        self._arrive(lambda: self._protocol.data_received(data))

    def deliver_eof(self) -> None:
        """Have the gateway receive the end: the device has closed TCP."""
        self._arrive(self._end_by_peer)

    def _arrive(self, event: Callable[[], None]) -> None:
        self._on_the_way.append(event)
        self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        if self._is_reading and not self._is_closing and self._on_the_way:
            self._on_the_way.popleft()()

    def _end_by_peer(self) -> None:
        self._protocol.eof_received()
        self.close()

    # -- the gateway's end -----------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._has_ended:
            raise RuntimeError("nothing can be written after the end")
        if not self._is_closing:
            self._peer.receive(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._loop.call_soon(self._peer.receive_eof)

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._lose)

    def abort(self) -> None:
        self.close()

    def _lose(self) -> None:
        self._protocol.connection_lost(None)
        self._peer.lose()

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        for _ in self._on_the_way:
            self._loop.call_soon(self._hand_over)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered here."""

    def get_write_buffer_size(self) -> int:
        return 0
