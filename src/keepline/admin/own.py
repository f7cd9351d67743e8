"""What one process does for operators about the devices that it has itself."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec import json

from keepline.admin.slices import SLICE, described
from keepline.admin.views import Kicked, LiveView, Sent, SessionPage, SessionView
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session
    from keepline.lifecycle.states import State

SEND_TIMEOUT_S: Final = 5.0


def live(node: Node, device_id: str) -> LiveView | None:
    """Return how a device is doing, None when it is not here."""
    session = node.registry.by_device(device_id)
    return None if session is None else LiveView.of(session, node.ticker.now)


def kick(node: Node, device_id: str) -> Kicked | None:
    """End a device's session with 4002 `kicked`; None when it is not here."""
    session = node.registry.by_device(device_id)
    if session is None:
        return None
    session.close(CloseReason.KICKED)
    node.log.info("device_kicked", device_id=session.device_id, session_id=session.session_id)
    return Kicked(device_id=session.device_id, session_id=session.session_id, claim=session.claim)


async def send(node: Node, device_id: str, message: dict[str, Any]) -> Sent:
    """Send a message of the device protocol to a device. Raises HubError as `Hub.send`."""
    session = node.registry.by_device(device_id)
    found = device_id if session is None else session.device_id
    await node.hub.send(found, json.encode(message), SEND_TIMEOUT_S)
    node.log.info("message_sent", device_id=found, type=message.get("type"))
    return Sent(device_id=found)


async def page_of(
    node: Node, *, state: State | None, prefix: str, cursor: int, limit: int
) -> SessionPage:
    """Return a page of sessions that came after the claim `cursor`.

    Others have their turn after every SLICE; who leaves meanwhile may still be on the page.
    """
    wanted: list[tuple[int, Session]] = []
    for count, session in enumerate(node.registry, start=1):
        if (
            (session.claim > cursor or session.claim == cursor == 0)
            and (state is None or session.connection.lifecycle.state is state)
            and session.device_id.startswith(prefix)
        ):
            wanted.append((session.claim, session))
        if count % SLICE == 0:
            await asyncio.sleep(0)
    wanted.sort(key=itemgetter(0))
    # Claimed while the store was away they have no number to go on from: all on the first page.
    limit += sum(not claim for claim, _ in wanted)
    page = [session for _, session in wanted[:limit]]
    found = await described(page, lambda session: SessionView.of(session, node.ticker.now))
    more = len(wanted) > limit
    return SessionPage(
        total=len(node.registry), sessions=found, next=found[-1].claim if more else None
    )
