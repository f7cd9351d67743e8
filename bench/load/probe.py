"""One device that sends a numbered frame every few milliseconds and times each echo.

It does not wait for the previous echo: a server that stalls for 500 ms is seen by every frame that
fell into the stall, not by one alone (no coordinated omission).
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.load.device_bytes import AUDIO_BYTES, numbered_audio, pong

if TYPE_CHECKING:
    from bench.load.swarm import Device

_LAST_ECHOES_S = 5.0
_FRAME_BYTES = AUDIO_BYTES + 2


@dataclass
class Probed:
    """Round trips, and how late the probe itself woke: lateness of its own makes them doubtful."""

    rtts_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    sent: int = 0


def probe(device: Device, *, every_s: float, for_s: float, listen: bytes) -> Probed:
    """Send a frame every `every_s` for `for_s`, then wait a bounded time for the last echoes."""
    found = Probed()
    poll = select.poll()
    poll.register(device.fd, select.POLLIN)
    sent_at: dict[int, float] = {}
    rest = b""
    os.write(device.fd, listen)
    due = time.perf_counter()
    last = due + for_s
    while (now := time.perf_counter()) < last or (sent_at and now < last + _LAST_ECHOES_S):
        if due <= now < last:
            found.late_s.append(now - due)
            sent_at[found.sent] = time.perf_counter()
            os.write(device.fd, numbered_audio(found.sent))
            found.sent += 1
            due += every_s
        wait_s = max(0.0, due - time.perf_counter()) if now < last else 0.1
        if not poll.poll(wait_s * 1000):
            continue
        arrived = time.perf_counter()
        rest += os.read(device.fd, 65536)
        numbers, rest = numbers_in(rest, answer_on=device.fd)
        found.rtts_s += [arrived - sent_at.pop(number) for number in numbers]
    return found


def numbers_in(data: bytes, *, answer_on: int) -> tuple[list[int], bytes]:
    """The numbers of the echoes in `data`, and what is left; pings are answered on that fd."""
    numbers = []
    while len(data) >= 2 and len(data) >= 2 + data[1]:
        size = 2 + data[1]
        if data[0] == 0x82 and size == _FRAME_BYTES:
            numbers.append(int.from_bytes(data[2:10], "big"))
        elif data[0] == 0x89:
            os.write(answer_on, pong(data[2:size]))
        data = data[size:]
    return numbers, data
