"""A fleet that comes back at once: each device connects when it is due, whatever came of others.

Who is refused, or is dropped, comes again, as devices do; each counts from its first try.
"""

from __future__ import annotations

import errno
import heapq
import os
import random
import re
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.load.device_bytes import pong, upgrade_request
from bench.load.swarm import SOURCES, frame_size

if TYPE_CHECKING:
    from bench.load.device_bytes import Frames
    from bench.load.swarm import Target

AGAIN_S = 1.0  # without being told when
LONGEST_AGAIN_S = 10.0  # what stock firmware waits, whatever it is told
_READ_BYTES = 65_536
_LEAVE_BATCH = 500
_RETRY_AFTER = re.compile(rb"\r\nRetry-After: (\d+)", re.IGNORECASE)


@dataclass
class Blown:
    """What has become of a storm: seconds from a device's first try to its hello's answer.

    `over_s` is from the first try of all to the last device's hello. `late_s` is how late tries
    were by our own fault.
    """

    took_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    over_s: float = 0.0
    refused: int = 0
    dropped: int = 0
    missing: int = 0


class _Comer:
    __slots__ = ("greeted", "live", "number", "rest", "sock")

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.rest = b""
        self.greeted = False
        self.live = False


class Storm:
    """The same devices, again and again; nobody pumps while they are idle, so no pings then."""

    def __init__(self, target: Target, frames: Frames, first: int) -> None:
        self._target = target
        self._frames = frames
        self._first = first
        self._spread = random.Random(first)
        self._comers: dict[int, _Comer] = {}
        self._epoll = select.epoll()
        self._due: list[tuple[float, int]] = []
        self._first_try: dict[int, float] = {}
        self._blown = Blown()

    def blow(self, count: int, *, over_s: float, give_up_s: float) -> Blown:
        """Have `count` devices come within `over_s`, and wait for all of them, up to a bound."""
        began = time.perf_counter()
        self._blown = blown = Blown()
        self._first_try.clear()
        numbers = range(self._first, self._first + count)
        self._due = [(began + over_s * self._spread.random(), number) for number in numbers]
        heapq.heapify(self._due)
        while len(blown.took_s) < count and (now := time.perf_counter()) < began + give_up_s:
            while self._due and self._due[0][0] <= now:
                due_at, number = heapq.heappop(self._due)
                blown.late_s.append(now - due_at)
                self._first_try.setdefault(number, due_at)
                self._open(number)
            until = self._due[0][0] if self._due else now + 0.1
            self.pump(min(0.1, max(0.0, until - time.perf_counter())))
        blown.over_s = time.perf_counter() - began
        blown.missing = count - len(blown.took_s)
        return blown

    def leave(self) -> None:
        """Hang up on all connections, as an access point does that goes away."""
        for number, fd in enumerate(list(self._comers)):
            self._comers.pop(fd).sock.close()
            if number % _LEAVE_BATCH == 0:
                self.pump(0)

    def pump(self, timeout_s: float) -> None:
        """Handle what is ready, waiting at most `timeout_s`."""
        for fd, events in self._epoll.poll(timeout_s):
            comer = self._comers.get(fd)
            if comer is not None:
                self._hear(fd, comer, events)

    def _open(self, number: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((SOURCES[number % len(SOURCES)], 0))
        error = sock.connect_ex(("127.0.0.1", self._target.port))
        if error not in {0, errno.EINPROGRESS}:
            raise OSError(error, os.strerror(error))
        self._comers[sock.fileno()] = _Comer(sock, number)
        self._epoll.register(sock.fileno(), select.EPOLLOUT)

    def _hear(self, fd: int, comer: _Comer, events: int) -> None:
        try:
            if events & select.EPOLLOUT:
                target = self._target
                comer.sock.send(upgrade_request(comer.number, target.port, target.token))
                self._epoll.modify(fd, select.EPOLLIN)
                return
            data = comer.sock.recv(_READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._blown.dropped += 1
            self._again(fd, AGAIN_S)
            return
        comer.rest += data
        if not comer.greeted:
            self._upgraded(fd, comer)
        if comer.greeted:
            self._frames_of(comer)

    def _upgraded(self, fd: int, comer: _Comer) -> None:
        head, separator, rest = comer.rest.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(b"HTTP/1.1 101 "):
            told = _RETRY_AFTER.search(head)
            self._blown.refused += 1
            self._again(fd, AGAIN_S if told is None else float(told.group(1)))
            return
        comer.greeted, comer.rest = True, rest
        comer.sock.send(next(self._frames.hello))

    def _frames_of(self, comer: _Comer) -> None:
        while len(comer.rest) >= 2:
            size, start = frame_size(comer.rest)
            if len(comer.rest) < size:
                return
            frame, comer.rest = comer.rest[:size], comer.rest[size:]
            if frame[0] == 0x89:
                comer.sock.send(pong(frame[start:]))
            elif not comer.live and b'"hello"' in frame:
                comer.live = True
                self._blown.took_s.append(time.perf_counter() - self._first_try[comer.number])

    def _again(self, fd: int, after_s: float) -> None:
        """It comes back when it was told to, a little spread by its own clock."""
        comer = self._comers.pop(fd)
        comer.sock.close()
        if not comer.live:
            wait_s = min(after_s, LONGEST_AGAIN_S) * (0.9 + 0.2 * self._spread.random())
            heapq.heappush(self._due, (time.perf_counter() + wait_s, comer.number))
