"""A socket's descriptor given to a transport for good, without the socket object around it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import socket


class Descriptor:
    """What uvloop asks of a socket that it takes over, and nothing else.

    It takes the number when it opens a transport, closes that number itself, and keeps the object
    as long as the connection lives: a whole socket object would cost every session 100 bytes. One
    serves them all, since nothing is asked of it after the opening.
    """

    __slots__ = ("_number", "family", "type")

    def __init__(self, family: int, kind: int) -> None:
        self.family = family
        self.type = kind
        self._number = -1

    def fileno(self) -> int:
        """Return the descriptor that was given last."""
        return self._number

    def close(self) -> None:
        """The transport has closed it already."""

    def of(self, sock: socket.socket) -> socket.socket:
        """Take the descriptor out of `sock`; to be given to a transport before the next."""
        self._number = sock.detach()
        return cast("socket.socket", self)


class Handover:
    """Makes of accepted sockets what the running loop needs of them."""

    __slots__ = ("_by_family",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # A loop of the standard library does its input and output with the socket object itself.
        is_plain = isinstance(loop, asyncio.BaseEventLoop)
        self._by_family: dict[int, Descriptor] | None = None if is_plain else {}

    def of(self, sock: socket.socket) -> socket.socket:
        """Return what to give to `connect_accepted_socket`, which takes it over at once."""
        if self._by_family is None:
            return sock
        shared = self._by_family.get(sock.family)
        if shared is None:
            shared = self._by_family[sock.family] = Descriptor(sock.family, sock.type)
        return shared.of(sock)
