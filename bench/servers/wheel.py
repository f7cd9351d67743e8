"""The simplest timing wheel: everybody keeps one slot and is called once a turn."""

from __future__ import annotations

import asyncio
from typing import Protocol

TICK_S = 0.1


class Pingable(Protocol):
    """What the wheel calls; `wheel_slot` is the wheel's own."""

    wheel_slot: int

    def ping(self) -> None: ...


class Wheel:
    """Spreads its members evenly over one turn of `interval_s`."""

    def __init__(self, interval_s: float) -> None:
        self._slots: list[set[Pingable]] = [set() for _ in range(round(interval_s / TICK_S))]
        self._next_slot = 0
        self._at = 0
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._tick()

    def add(self, member: Pingable) -> None:
        member.wheel_slot = self._next_slot
        self._slots[self._next_slot].add(member)
        self._next_slot = (self._next_slot + 1) % len(self._slots)

    def discard(self, member: Pingable) -> None:
        self._slots[member.wheel_slot].discard(member)

    def _tick(self) -> None:
        for member in list(self._slots[self._at]):
            member.ping()
        self._at = (self._at + 1) % len(self._slots)
        self._due += TICK_S
        self._loop.call_at(self._due, self._tick)
