"""Authentication by the upstream: it is asked before the device is let in."""

from __future__ import annotations

import asyncio
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

    It ends with the admission that asked when no session has taken it over.
    """

    def __init__(self, relay: Relay, ids: Ids) -> None:
        self._relay = relay
        self._ids = ids

    async def judge(self, request: Request) -> Identity:
        """Return who it is. Raises RefusedError with the upstream's status, or 403 for a bad id."""
        identity = self._ids.read(request)
        link = await self._relay.reach_ahead(request, identity)
        admission = asyncio.current_task()
        assert admission is not None, "a coroutine runs in a task"
        admission.add_done_callback(lambda _: _end_unused(link))
        reached = Reached(*identity)
        reached.link = link
        return reached


def _end_unused(link: Link) -> None:
    if link.device is None:
        link.close("nobody came for it")
