"""Authentication by the upstream: it is asked before the device is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway.identity import Identity

if TYPE_CHECKING:
    from keepline.gateway.auth.credentials import Ids
    from keepline.relay.link import Link
    from keepline.relay.relay import Relay
    from keepline.wire.handshake import Request


class Reached(Identity):
    """Who an upstream takes, and the connection on which it said so."""

    link: Link


class UpstreamJudge:
    """Lets in whom an upstream lets in; the connection is kept for the session.

    A device that does not come for it within its hello's time leaves it to its bound.
    """

    def __init__(self, relay: Relay, ids: Ids) -> None:
        self._relay = relay
        self._ids = ids

    async def judge(self, request: Request) -> Identity:
        """Return who it is. Raises RefusedError with the upstream's status, or 403 for a bad id."""
        identity = self._ids.read(request)
        link = await self._relay.reach_ahead(request, identity)
        reached = Reached(*identity)
        reached.link = link
        return reached
