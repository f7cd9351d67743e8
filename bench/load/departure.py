"""Devices whose server leaves: what each is told, when it has gone, when it is to come back."""

from __future__ import annotations

import json
import os
import select
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.load.device_bytes import masked, pong
from bench.load.swarm import frame_size

if TYPE_CHECKING:
    from bench.load.swarm import Device

_TEXT, _CLOSE, _PING = 0x1, 0x8, 0x9
_CLOSE_FRAME = 0x88
_READ_BYTES = 65_536


@dataclass
class Departed:
    """`gone_at` is the monotonic time of the last one; `back_at` when each is to come back."""

    told: int = 0
    closed: int = 0  # with a Close frame
    gone: int = 0
    gone_at: float = 0.0
    back_at: list[float] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """How many are to come back in the busiest second of any."""
        times = sorted(self.back_at)
        return max(
            (number - bisect_left(times, at - 1.0) + 1 for number, at in enumerate(times)),
            default=0,
        )


class Departure:
    """Reads until nobody is connected. Every other device answers no Close, as firmware."""

    def __init__(self, devices: list[Device]) -> None:
        self._devices = {device.fd: device for device in devices}
        self._epoll = select.epoll()
        for fd in self._devices:
            self._epoll.register(fd, select.EPOLLIN)
        self.departed = Departed()

    def see_off(self, within_s: float) -> Departed:
        """Raise TimeoutError when somebody is still connected by then."""
        deadline = time.monotonic() + within_s
        while self._devices:
            for fd, _ in self._epoll.poll(0.1):
                device = self._devices[fd]
                try:
                    self._read(device)
                except ConnectionError:  # it was dropped before it had said what it wanted to
                    self._gone(device)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._devices)} were still there after {within_s:g} s")
        return self.departed

    def _read(self, device: Device) -> None:
        try:
            data = os.read(device.fd, _READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            self._gone(device)
            return
        data = device.partial + data
        device.partial = b""
        while data:
            size, start = frame_size(data)
            if len(data) < size:
                device.partial = data
                return
            if not self._hear(device, data[0] & 0x0F, data[start:size]):
                return
            data = data[size:]

    def _hear(self, device: Device, opcode: int, payload: bytes) -> bool:
        """Return whether it listens on."""
        if opcode == _PING:
            device.write(pong(payload))
        elif opcode == _TEXT and b'"reconnect"' in payload:
            self.departed.told += 1
            after_s = json.loads(payload)["after_ms"] / 1_000
            self.departed.back_at.append(time.monotonic() + after_s)
        elif opcode == _CLOSE:
            self.departed.closed += 1
            if device.number % 2 == 0:
                device.write(masked(_CLOSE_FRAME, payload[:2], os.urandom(4)))
                self._gone(device)
                return False
        return True

    def _gone(self, device: Device) -> None:
        self.departed.gone += 1
        self.departed.gone_at = time.monotonic()
        del self._devices[device.fd]
        device.sock.close()
