"""Many devices on one epoll: connects them, answers pings, talks, leaves. No asyncio."""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import TYPE_CHECKING

from bench.load.device_bytes import Frames, pong, upgrade_request

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_FLIGHT = 200  # devices between connect and hello, or in conversation, at one time
SOURCES = tuple(f"127.0.0.{last}" for last in range(2, 10))  # each has its own port range
_READ_BYTES = 65536
_LEAVE_BATCH = 500
_SO_BIND_ADDRESS_NO_PORT = 24  # ports are then chosen per destination, not per source


class Stage(Enum):
    """How far a device has come."""

    UPGRADING = auto()
    GREETING = auto()
    LIVE = auto()


@dataclass
class Target:
    """Where devices connect, and what they show; over TLS with `context`.

    Where `acks`, they say that they acknowledge messages, and do not; every other one also that it
    can be told when to come back.
    """

    port: int
    token: str
    context: ssl.SSLContext | None = None
    acks: bool = False


class Device:
    """One connection of the load generator."""

    __slots__ = ("acks", "echoes_left", "fd", "number", "partial", "sock", "stage", "talking")

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.acks = False
        self.sock = sock
        self.fd = sock.fileno()
        self.number = number
        self.stage = Stage.UPGRADING
        self.partial = b""
        self.echoes_left = 0
        self.talking = False

    def read(self) -> bytes | None:
        """Return what is there, nothing at the end; None when there is nothing after all."""
        return os.read(self.fd, _READ_BYTES)

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)


class TlsDevice(Device):
    """A connection over TLS."""

    __slots__ = ()

    def read(self) -> bytes | None:
        """As `Device.read`; all records that are there."""
        data = b""
        try:
            while more := self.sock.recv(_READ_BYTES):
                data += more
        except ssl.SSLWantReadError:
            return data or None
        return data

    def write(self, data: bytes) -> None:
        self.sock.send(data)


@dataclass
class Counts:
    """What has happened since the start, over all devices."""

    live: int = 0
    refused: int = 0
    lost: int = 0
    pings: int = 0
    echoes: int = 0
    closes: int = 0
    resumed: int = 0
    told: int = 0  # something that is not to be lost
    last_refusal: str = ""


class Swarm:
    """Owns the devices. Every public method returns once its work is done."""

    def __init__(self, seed: int) -> None:
        self.counts = Counts()
        self.devices: dict[int, Device] = {}
        self._epoll = select.epoll()
        self._frames = Frames(seed)
        self._talkers = 0
        self._talk_until = 0.0

    def watch(self, fd: int) -> None:
        """Let `pump` return when `fd` becomes readable."""
        self._epoll.register(fd, select.EPOLLIN)

    def pump(self, timeout_s: float) -> bool:
        """Handle what is ready, waiting at most `timeout_s`. True if a watched fd is readable."""
        noticed = False
        devices = self.devices
        for fd, _ in self._epoll.poll(timeout_s):
            device = devices.get(fd)
            if device is None:
                noticed = True
            else:
                self._receive(device)
        return noticed

    def connect(self, count: int, *, first: int, target: Target, within_s: float) -> None:
        """Bring `count` devices, numbered from `first`, as far as the server's hello."""
        counts = self.counts
        settled_before = counts.live + counts.refused + counts.lost
        deadline = time.monotonic() + within_s
        started = settled = 0
        while settled < count:
            while started < count and started - settled < IN_FLIGHT:
                self._open(first + started, target)
                started += 1
            self.pump(0.1)
            settled = counts.live + counts.refused + counts.lost - settled_before
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {settled} of {count} devices settled in {within_s:g} s")

    def converse(self, devices: int, *, frames: int, within_s: float) -> None:
        """`devices` of them start listening, have `frames` echoed one by one, and stop."""
        waiting = islice(self._live(), devices)
        self._talk_until = deadline = time.monotonic() + within_s
        done = False
        while not done or self._talkers:
            while self._talkers < IN_FLIGHT and not done:
                device = next(waiting, None)
                if device is None:
                    done = True
                else:
                    self._start_talking(device, frames)
            self.pump(0.1)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._talkers} conversations unfinished in {within_s:g} s")

    def echo(self, devices: int, *, for_s: float) -> int:
        """`devices` of them keep one frame each outstanding for `for_s`; returns the echoes."""
        before = self.counts.echoes
        self._talk_until = time.monotonic() + for_s
        for device in islice(self._live(), devices):
            self._start_talking(device, 1 << 62)
        give_up = self._talk_until + 10
        while self._talkers:
            self.pump(0.1)
            if time.monotonic() > give_up:
                raise TimeoutError(f"{self._talkers} echoes never came")
        return self.counts.echoes - before

    def wake(self, devices: int, *, every_s: float) -> list[float]:
        """Seconds from an idle device's first bytes to its echo, one device after the other."""
        took_s = []
        for device in list(islice(self._live(), devices)):
            rest_until = time.monotonic() + every_s
            while time.monotonic() < rest_until:
                self.pump(every_s)
            began = time.perf_counter()
            self._talk_until = time.monotonic() + 10
            self._start_talking(device, 1)
            while device.talking:
                self.pump(1)
                if time.monotonic() > self._talk_until:
                    raise TimeoutError("an idle device's frame was never echoed")
            took_s.append(time.perf_counter() - began)
        return took_s

    def say(self, devices: int, *, frames: int, within_s: float) -> None:
        """`devices` of them say `frames` each, as fast as they are taken, and are not done yet."""
        deadline = time.monotonic() + within_s
        for device in list(islice(self._live(), devices)):
            rest = next(self._frames.listen_held)
            rest += b"".join(next(self._frames.audio) for _ in range(frames))
            while rest:
                try:
                    rest = rest[os.write(device.fd, rest) :]
                except BlockingIOError:
                    self.pump(0.01)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not everything was taken in {within_s:g} s")
            self.pump(0)

    def hear(self, devices: int, *, frames: int, within_s: float) -> None:
        """They are done, and hear all that they have said."""
        deadline = time.monotonic() + within_s
        wanted = self.counts.echoes + devices * frames
        for device in list(islice(self._live(), devices)):
            device.write(next(self._frames.listen_stop))
            self.pump(0)
        while self.counts.echoes < wanted:
            self.pump(0.1)
            if time.monotonic() > deadline:
                missing = wanted - self.counts.echoes
                raise TimeoutError(f"{missing} frames were not heard in {within_s:g} s")

    def leave(self) -> None:
        """Close every TCP connection without a Close frame, as the firmware does."""
        leaving = list(self.devices.values())
        for at in range(0, len(leaving), _LEAVE_BATCH):
            for device in leaving[at : at + _LEAVE_BATCH]:
                self._drop(device)
            self.pump(0)

    def release(self) -> Device:
        """Take one live device out of the swarm, for somebody else to read."""
        device = next(self._live())
        self._epoll.unregister(device.fd)
        return self.devices.pop(device.fd)

    def release_all(self) -> list[Device]:
        """Take all live devices out of the swarm, for somebody else to read."""
        return [self.release() for _ in list(self._live())]

    def listen_start(self) -> bytes:
        """The message that makes a server echo audio at once, as bytes to be sent."""
        return next(self._frames.listen_start)

    def _live(self) -> Iterator[Device]:
        return (device for device in list(self.devices.values()) if device.stage is Stage.LIVE)

    def _open(self, number: int, target: Target) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, _SO_BIND_ADDRESS_NO_PORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((SOURCES[number % len(SOURCES)], 0))
        sock.settimeout(10)
        sock.connect(("127.0.0.1", target.port))
        kind = Device
        if target.context is not None:
            sock, kind = target.context.wrap_socket(sock), TlsDevice
        sock.setblocking(False)
        device = kind(sock, number)
        device.acks = target.acks
        self.devices[device.fd] = device
        self._epoll.register(device.fd, select.EPOLLIN)
        device.write(upgrade_request(number, target.port, target.token))

    def _hello(self, device: Device) -> bytes:
        if not device.acks:
            return next(self._frames.hello)
        told = device.number % 2 == 0
        return next(self._frames.hello_told if told else self._frames.hello_kept)

    def _drop(self, device: Device) -> None:
        del self.devices[device.fd]
        device.sock.close()  # leaves the epoll by itself
        if device.talking:
            device.talking = False
            self._talkers -= 1

    def _receive(self, device: Device) -> None:
        try:
            data = device.read()
        except ConnectionError:
            self._lost(device)
            return
        if data is None:
            return
        if not data:
            self._lost(device)
        elif device.partial:
            data = device.partial + data
            device.partial = b""
            self._understand(device, data)
        elif data == self._frames.echo:
            self._echoed(device)
        else:
            self._understand(device, data)

    def _lost(self, device: Device) -> None:
        self.counts.lost += 1
        self._drop(device)

    def _understand(self, device: Device, data: bytes) -> None:
        if device.stage is Stage.UPGRADING:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                device.partial = head
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.counts.refused += 1
                self.counts.last_refusal = head.partition(b"\r\n")[0].decode("latin-1")
                self._drop(device)
                return
            device.stage = Stage.GREETING
            device.write(self._hello(device))
        while data:
            size, start = frame_size(data)
            if len(data) < size:
                device.partial = data
                return
            self._frame(device, data[0] & 0x0F, data[start:size], data)
            data = data[size:]

    def _frame(self, device: Device, opcode: int, payload: bytes, data: bytes) -> None:
        if opcode == 0x9:
            self.counts.pings += 1
            device.write(pong(payload) if payload else next(self._frames.empty_pong))
        elif opcode == 0x2:
            if not data.startswith(self._frames.echo):
                raise ValueError("an echo came back changed")
            self._echoed(device)
        elif opcode == 0x1 and device.stage is Stage.GREETING and b'"hello"' in payload:
            device.stage = Stage.LIVE
            self.counts.live += 1
            self.counts.resumed += b'"resumed"' in payload
        elif opcode == 0x1 and b'"alert"' in payload:
            self.counts.told += 1
        elif opcode == 0x8:
            self.counts.closes += 1

    def _start_talking(self, device: Device, frames: int) -> None:
        device.talking = True
        device.echoes_left = frames
        self._talkers += 1
        device.write(next(self._frames.listen_start) + next(self._frames.audio))

    def _echoed(self, device: Device) -> None:
        self.counts.echoes += 1
        if not device.talking:  # it hears a whole turn
            return
        device.echoes_left -= 1
        if device.echoes_left and time.monotonic() < self._talk_until:
            device.write(next(self._frames.audio))
        else:
            device.talking = False
            self._talkers -= 1
            device.write(next(self._frames.listen_stop))


def frame_size(data: bytes) -> tuple[int, int]:
    """Size of the whole unmasked frame at the start of `data`, and where its payload begins."""
    if len(data) < 4:
        return (2 + data[1], 2) if len(data) > 1 and data[1] < 126 else (1 << 62, 2)
    if data[1] < 126:
        return 2 + data[1], 2
    if data[1] == 126:
        return 4 + int.from_bytes(data[2:4], "big"), 4
    raise ValueError("no server message here is larger than 65,535 bytes")
