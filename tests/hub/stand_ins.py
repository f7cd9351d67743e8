"""A node as its hub sees it, for tests: devices are counters that live in its memory alone."""

from __future__ import annotations

from contextlib import suppress

from keepline.errors import NotConnectedError, ReplacedError
from keepline.hub.port import Claim, Hub, NodeView

WINDOW_S = 60.0


class CountingNode:
    """Holds devices whose whole state is a number, in memory until somebody else wants it."""

    def __init__(self, name: str = "node-1") -> None:
        self.name = name
        self.hub: Hub | None = None
        self.sessions: dict[str, tuple[Claim, int]] = {}
        self.parting: dict[str, tuple[Claim, int]] = {}
        self.given_up: list[str] = []

    def open(self, claim: Claim) -> None:
        """Begin a session with what is in memory, else with what was kept, and count it."""
        count = int(claim.state or b"0")
        for newer in (self.parting, self.sessions):
            if claim.device_id in newer:
                _, count = newer[claim.device_id]
        self.sessions[claim.device_id] = claim, count + 1

    async def close(self, device_id: str) -> None:
        """End a session; until its release is through, this memory is the newest."""
        assert self.hub is not None
        ending = self.parting[device_id] = self.sessions.pop(device_id)
        claim, count = ending
        await self.hub.release(claim, str(count).encode(), WINDOW_S)
        if self.parting.get(device_id) is ending:
            del self.parting[device_id]

    def state(self, device_id: str) -> bytes:
        return str(self.sessions[device_id][1]).encode()

    async def give_up(self, device_id: str) -> None:
        assert self.hub is not None
        self.given_up.append(device_id)
        if device_id not in self.sessions:
            return
        claim, count = self.sessions.pop(device_id)
        with suppress(ReplacedError):
            await self.hub.save(claim, str(count).encode())

    async def command(self, device_id: str, payload: bytes) -> bytes:
        if device_id not in self.sessions:
            raise NotConnectedError(device_id)
        return b"heard " + payload

    def describe(self, device_id: str) -> tuple[str, str] | None:
        return ("active", "healthy") if device_id in self.sessions else None

    def load(self) -> NodeView:
        return NodeView(self.name, len(self.sessions), 100, draining=False)
