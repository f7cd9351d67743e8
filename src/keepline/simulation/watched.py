"""The gateway's log and hub, with somebody who listens; both do what they always do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from keepline.hub.local import LocalHub
from keepline.log import Log

if TYPE_CHECKING:
    from keepline.clock import Clock
    from keepline.hub.port import Claim


class Listener(Protocol):
    """Who is told."""

    def logged(self, event: str, fields: dict[str, object]) -> None: ...
    def claimed(self, claim: Claim) -> None: ...
    def handed_back(self, claim: Claim, session_id: str) -> None: ...
    def holds(self, claim: Claim) -> bool: ...
    def kept(self, claim: Claim, *, was_holder: bool) -> None: ...


class WatchedLog(Log):
    """Writes no line, tells of each."""

    __slots__ = ("_listener",)

    def __init__(self, clock: Clock, listener: Listener) -> None:
        super().__init__(None, clock)
        self._listener = listener

    def debug(self, event: str, /, **fields: object) -> None:
        """Tell of nothing: it only matters while looking for a fault."""

    def info(self, event: str, /, **fields: object) -> None:
        """Tell of the normal course of things."""
        self._listener.logged(event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Tell of what an operator should look at some day."""
        self._listener.logged(event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Tell of a failure."""
        self._listener.logged(event, fields)


class WatchedHub(LocalHub):
    """Tells who was given which device, and who was allowed to save."""

    listener: Listener

    async def claim(self, device_id: str, session_id: str) -> Claim:
        """Claim; see `hub.port.Hub`."""
        claim = await super().claim(device_id, session_id)
        self.listener.claimed(claim)
        return claim

    async def save(self, claim: Claim, state: bytes) -> None:
        """Save; see `hub.port.Hub`."""
        was_holder = self.listener.holds(claim)
        await super().save(claim, state)
        self.listener.kept(claim, was_holder=was_holder)

    def hand_back(self, claim: Claim, session_id: str) -> None:
        """Hand back; see `hub.port.Hub`."""
        super().hand_back(claim, session_id)
        self.listener.handed_back(claim, session_id)
