"""What stands behind the connections of a node when it is no handler: the seam for a relay."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection
    from keepline.gateway.identity import Identity
    from keepline.gateway.session import Session
    from keepline.hub.port import Claim
    from keepline.wire.handshake import Request
    from keepline.wire.messages import Hello


class Opening(NamedTuple):
    """How a device asked to be let in, word for word."""

    request: Request
    hello: str


class Behind(Protocol):
    """Makes the sessions of a node, in place of its handlers."""

    def make_session(
        self,
        connection: Connection,
        identity: Identity,
        hello: Hello,
        claim: Claim,
        opening: Opening,
    ) -> Session:
        """Return the session of a device whose hello was read and is not answered yet."""
