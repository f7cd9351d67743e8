"""How to make each reason happen with which a node of many turns devices away."""

from __future__ import annotations

from keepline.errors import HubDownError
from keepline.hub.port import Claim
from keepline.reasons import CloseReason
from tests.conftest import RunningGateway
from tests.gateway.peers import HELLO, request, tcp, text
from tests.gateway.proofs import proves, refused


@proves(CloseReason.CLUSTER_UNAVAILABLE)
async def comes_while_no_other_node_can_be_asked(gateway: RunningGateway) -> int:
    gateway.node.hub.admits = lambda: False  # type: ignore[method-assign]
    return await refused(gateway, request())


@proves(CloseReason.CLUSTER_AWAY)
async def is_in_when_no_other_node_can_be_asked(gateway: RunningGateway) -> int | None:
    async def cannot(device_id: str, session_id: str) -> Claim:
        raise HubDownError("the engine is away")

    gateway.node.hub.claim = cannot  # type: ignore[method-assign]
    async with tcp(gateway.port) as peer:
        await peer.send(request())
        await peer.answer()
        await peer.send(text(HELLO))
        return await peer.close_code()
