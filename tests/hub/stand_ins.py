"""A node as its hub sees it, for tests: devices are counters that live in its memory alone."""

from __future__ import annotations

from contextlib import suppress

from keepline.errors import NotConnectedError, ReplacedError
from keepline.hub.port import Claim, Hub, NodeView


class CountingNode:
    """Holds devices whose whole state is a number, in memory until somebody else wants it."""

    def __init__(self, name: str = "node-1") -> None:
        self.name = name
        self.hub: Hub | None = None
        self.sessions: dict[str, tuple[Claim, int]] = {}
        self.given_up: list[str] = []

    def open(self, claim: Claim) -> None:
        """Begin a session with what was kept, and count it."""
        self.sessions[claim.device_id] = claim, int(claim.state or b"0") + 1

    def state(self, device_id: str) -> bytes:
        return str(self.sessions[device_id][1]).encode()

    async def give_up(self, device_id: str) -> None:
        assert self.hub is not None
        self.given_up.append(device_id)
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
