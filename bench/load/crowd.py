"""Good devices that talk at an even pace while others join, and how long each has to wait.

A frame is sent when it is due, whether or not the one before has come back: a server that stalls
is seen by every frame that falls into the stall.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.load.device_bytes import numbered_audio, upgrade_request
from bench.load.probe import numbers_in
from bench.load.swarm import SOURCES

if TYPE_CHECKING:
    from bench.load.device_bytes import Frames
    from bench.load.swarm import Device, Target

LAST_ECHOES_S = 2.0
_READ_BYTES = 65_536


@dataclass
class Heard:
    """What a crowd has seen: round trips and joins in seconds, and how late it was itself."""

    rtts_s: list[float] = field(default_factory=list)
    joins_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    sent: int = 0
    joining: int = 0
    lost: int = 0


class _Talker:
    __slots__ = ("fd", "rest")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.rest = b""


class _Joiner:
    __slots__ = ("began", "greeted", "rest", "sock")

    def __init__(self, sock: socket.socket, began: float) -> None:
        self.sock = sock
        self.began = began
        self.greeted = False
        self.rest = b""


class Crowd:
    """Talks on devices that are live, again and again; nobody else reads what they are sent."""

    def __init__(self, devices: list[Device], target: Target, frames: Frames, first: int) -> None:
        self.heard = Heard()
        self._devices = devices  # whose sockets stay open as long
        self._talkers = {device.fd: _Talker(device.fd) for device in devices}
        self._joiners: dict[int, _Joiner] = {}
        self._target = target
        self._frames = frames
        self._next_joiner = first
        self._sent_at: dict[int, float] = {}
        self._number = 0
        self._epoll = select.epoll()
        for fd in self._talkers:
            self._epoll.register(fd, select.EPOLLIN)
            os.write(fd, next(frames.listen_start))

    def talk(self, *, every_s: float, join_every_s: float, for_s: float) -> Heard:
        """Each device sends a frame every `every_s`; a new one joins every `join_every_s`."""
        self.heard = Heard()
        self._sent_at.clear()  # what comes now is too late for the stretch it belongs to
        begin = time.perf_counter()
        last = begin + for_s
        step_s = every_s / max(1, len(self._talkers))
        due = [(begin + k * step_s, fd) for k, fd in enumerate(self._talkers)]
        heapq.heapify(due)
        join_at = begin
        while (now := time.perf_counter()) < last + LAST_ECHOES_S:
            if now >= last and not self._sent_at and not self._joiners:
                break
            while due and due[0][0] <= now < last:
                at, fd = due[0]
                if self._say(fd, at):
                    heapq.heapreplace(due, (at + every_s, fd))
                else:
                    heapq.heappop(due)
            if join_at <= now < last:
                self._join()
                join_at += join_every_s
            until = min(due[0][0] if due else last, join_at) if now < last else now + 0.05
            for fd, events in self._epoll.poll(max(0.0, until - time.perf_counter())):
                self._hear(fd, events)
        self._leave()
        return self.heard

    def _say(self, fd: int, at: float) -> bool:
        if fd not in self._talkers:
            return False
        try:
            os.write(fd, numbered_audio(self._number))
        except BlockingIOError:
            pass  # its buffer is full: the frame counts as never answered
        except OSError:
            self._lost(fd)
            return False
        sent = time.perf_counter()
        self.heard.late_s.append(sent - at)
        self._sent_at[self._number] = sent
        self._number += 1
        self.heard.sent += 1
        return True

    def _hear(self, fd: int, events: int) -> None:
        talker = self._talkers.get(fd)
        if talker is None:
            self._hear_joiner(fd, events)
            return
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(fd)
            return
        arrived = time.perf_counter()
        numbers, talker.rest = numbers_in(talker.rest + data, answer_on=fd)
        for number in numbers:
            sent = self._sent_at.pop(number, None)
            if sent is not None:
                self.heard.rtts_s.append(arrived - sent)

    def _lost(self, fd: int) -> None:
        self.heard.lost += 1
        del self._talkers[fd]
        self._epoll.unregister(fd)

    # -- who joins -------------------------------------------------------------------------

    def _join(self) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((SOURCES[0], 0))  # not the attacker's address: theirs is its own affair
        began = time.perf_counter()
        error = sock.connect_ex(("127.0.0.1", self._target.port))
        if error not in {0, errno.EINPROGRESS}:
            raise OSError(error, os.strerror(error))
        self.heard.joining += 1
        self._joiners[sock.fileno()] = _Joiner(sock, began)
        self._epoll.register(sock.fileno(), select.EPOLLOUT)

    def _hear_joiner(self, fd: int, events: int) -> None:
        joiner = self._joiners.get(fd)
        if joiner is None:
            return
        try:
            if events & select.EPOLLOUT:
                self._next_joiner += 1
                number, target = self._next_joiner, self._target
                joiner.sock.send(upgrade_request(number, target.port, target.token))
                self._epoll.modify(fd, select.EPOLLIN)
                return
            joiner.rest += (data := joiner.sock.recv(_READ_BYTES))
        except OSError:
            data = b""
        if not data:
            self._part(fd)
        elif not joiner.greeted and b"\r\n\r\n" in joiner.rest:
            if b" 101 " not in joiner.rest[:32]:
                self._part(fd)
                return
            joiner.greeted = True
            joiner.sock.send(next(self._frames.hello))
        elif joiner.greeted and b'"hello"' in joiner.rest:
            self.heard.joins_s.append(time.perf_counter() - joiner.began)
            self._part(fd)

    def _part(self, fd: int) -> None:
        self._epoll.unregister(fd)
        self._joiners.pop(fd).sock.close()

    def _leave(self) -> None:
        for fd in list(self._joiners):
            self._part(fd)
