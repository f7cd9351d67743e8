"""How to make each reason happen for which a node ends connections that cost it too much."""

from __future__ import annotations

from keepline.reasons import CloseReason
from tests.conftest import RunningGateway
from tests.gateway.peers import audio, live, request
from tests.gateway.proofs import proves, refused


@proves(CloseReason.SHED, session={"idle_after_s": 0.2})
async def is_idle_where_there_is_too_little_memory(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as peer:
        gateway.node.governor.force(0.94)
        return await peer.close_code()


@proves(CloseReason.MESSAGE_TIMEOUT, session={"idle_after_s": 0.5})
async def never_ends_its_message(gateway: RunningGateway) -> int | None:
    async with live(gateway.port) as peer:
        await peer.send(audio(bytes(1_000))[:-1])
        return await peer.close_code()


@proves(CloseReason.OVERLOADED)
async def comes_to_a_node_that_takes_nobody(gateway: RunningGateway) -> int:
    gateway.node.governor.force(1.0)
    return await refused(gateway, request())


@proves(CloseReason.FULL, server={"max_connections": 1})
async def finds_no_room(gateway: RunningGateway) -> int:
    async with live(gateway.port, "another"):
        return await refused(gateway, request())
