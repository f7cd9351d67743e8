"""One attacker: floods a server in one way for a while, and comes back when it is thrown out.

It shows a good token and a new device id each time, which is the worst that can happen.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.load.device_bytes import Frames, masked, upgrade_request

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNECT_WITHIN_S = 0.25
_INSIDE_WITHIN_S = 1.0
_PATIENCE_MS = 250
_NICENESS = 19  # one elsewhere on the network takes no CPU of the machine that it attacks
_BLOCK_FRAMES = 512
_GARBAGE_BYTES = 4_096
_LARGE_BYTES = 60_000
_SILENT = 256  # what Keepline allows one address that is not this machine
_READ_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)
_CONTINUATION, _TEXT_BEGINS, _BINARY, _PING, _PONG = 0x00, 0x01, 0x82, 0x89, 0x8A


@dataclass
class Done:
    """What an attack came to: connections opened, those refused, and bytes sent once inside."""

    opened: int = 0
    refused: int = 0
    sent_bytes: int = 0


class Attack:
    """Each public method is a kind of attack; it returns when its time is over."""

    def __init__(self, port: int, token: str, *, first: int, for_s: float) -> None:
        self.done = Done()
        self._port = port
        self._token = token
        self._number = first
        self._until = time.monotonic() + for_s
        self._frames = Frames(first)

    def ping(self) -> None:
        """Pings, whose pongs are read."""
        self._flood(masked(_PING, b"x" * 16, os.urandom(4)) * _BLOCK_FRAMES)

    def pong(self) -> None:
        """Pongs that nobody asked for."""
        self._flood(masked(_PONG, b"x" * 16, os.urandom(4)) * _BLOCK_FRAMES)

    def empty(self) -> None:
        """Frames with nothing in them: the cheapest to send, and as dear as others to handle."""
        self._flood(masked(_BINARY, b"", os.urandom(4)) * _BLOCK_FRAMES)

    def large(self) -> None:
        """Messages of nearly the greatest size, one after the other."""
        self._flood(masked(_BINARY, bytes(_LARGE_BYTES), os.urandom(4)))

    def fragments(self) -> None:
        """One message in pieces of a byte that never ends."""
        piece = masked(_CONTINUATION, b"x", os.urandom(4))
        self._flood(piece * _BLOCK_FRAMES, masked(_TEXT_BEGINS, b"{", os.urandom(4)))

    def garbage(self) -> None:
        """Random bytes where frames belong."""
        self._flood(os.urandom(_GARBAGE_BYTES))

    def unread(self) -> None:
        """Audio to be echoed, of which nothing is ever read."""
        block = b"".join(next(self._frames.audio) for _ in range(_BLOCK_FRAMES))
        self._flood(block, next(self._frames.listen_start), reading=False)

    def connect(self) -> None:
        """TCP connections that are reset at once: closed ones would run out of ports."""
        while not self._is_over():
            sock = self._open()
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.close()

    def knock(self) -> None:
        """Upgrades with a wrong token, each answered."""
        while not self._is_over():
            sock = self._open()
            if sock is not None:
                with sock, contextlib.suppress(OSError):
                    self._number += 1
                    sock.sendall(upgrade_request(self._number, self._port, "wrong"))
                    sock.recv(_READ_BYTES)

    def silent(self) -> None:
        """A crowd of sockets with half a request each; who is thrown out is replaced."""
        half = upgrade_request(self._number, self._port, self._token)[:40]
        held: dict[int, socket.socket] = {}
        poll = select.poll()
        while not self._is_over():
            if len(held) < _SILENT and (sock := self._open()) is not None:
                with contextlib.suppress(OSError):
                    sock.sendall(half)
                held[sock.fileno()] = sock
                poll.register(sock, select.POLLIN)
            for fd, _ in poll.poll(50 if len(held) == _SILENT else 0):
                poll.unregister(fd)
                held.pop(fd).close()
        for sock in held.values():
            sock.close()

    # -- the ways --------------------------------------------------------------------------

    def _flood(self, block: bytes, opening: bytes = b"", *, reading: bool = True) -> None:
        """Send `block` again and again on one connection after the other."""
        while not self._is_over():
            sock = self._inside()
            if sock is None:
                continue
            with sock, contextlib.suppress(ConnectionError):
                sock.sendall(opening)
                self._press(sock, block, reading=reading)

    def _press(self, sock: socket.socket, block: bytes, *, reading: bool) -> None:
        """Send until the time is over or the server hangs up."""
        sock.setblocking(False)
        poll = select.poll()
        poll.register(sock, (select.POLLIN if reading else 0) | select.POLLOUT)
        rest = memoryview(block)
        while not self._is_over():
            for _, events in poll.poll(_PATIENCE_MS):
                if events & select.POLLIN and not sock.recv(_READ_BYTES):
                    return
                if events & (select.POLLERR | select.POLLHUP):
                    return
                if events & select.POLLOUT:
                    sent = sock.send(rest)
                    self.done.sent_bytes += sent
                    rest = rest[sent:] or memoryview(block)

    def _inside(self) -> socket.socket | None:
        """A connection whose hello was answered; None when it was not let in."""
        sock = self._open()
        if sock is None:
            return None
        self._number += 1
        try:
            sock.settimeout(_INSIDE_WITHIN_S)
            sock.sendall(upgrade_request(self._number, self._port, self._token))
            if b" 101 " in sock.recv(_READ_BYTES):
                sock.sendall(next(self._frames.hello))
                if sock.recv(_READ_BYTES):
                    return sock
        except OSError:
            pass
        self.done.refused += 1
        sock.close()
        return None

    def _open(self) -> socket.socket | None:
        sock = socket.socket()
        sock.settimeout(_CONNECT_WITHIN_S)
        try:
            sock.connect(("127.0.0.1", self._port))
        except OSError:
            sock.close()
            return None
        self.done.opened += 1
        return sock

    def _is_over(self) -> bool:
        return time.monotonic() >= self._until


KINDS: dict[str, Callable[[Attack], None]] = {
    "ping": Attack.ping,
    "pong": Attack.pong,
    "empty": Attack.empty,
    "large": Attack.large,
    "fragments": Attack.fragments,
    "garbage": Attack.garbage,
    "unread": Attack.unread,
    "connect": Attack.connect,
    "knock": Attack.knock,
    "silent": Attack.silent,
}


def attack(kind: str, *, port: int, token: str, first: int, for_s: float) -> Done:
    """Attack in one way for `for_s` seconds."""
    os.nice(max(0, _NICENESS - os.nice(0)))
    attacking = Attack(port, token, first=first, for_s=for_s)
    KINDS[kind](attacking)
    return attacking.done
