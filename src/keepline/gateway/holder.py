"""A node as its hub sees it: what it holds, how that is, and what can be sent to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from keepline.errors import CommandError, HubError, NotConnectedError
from keepline.gateway.resumption import hand_over
from keepline.hub.port import NodeView
from keepline.reasons import CloseReason
from keepline.wire.messages import (
    SERVER_TYPES,
    Malformed,
    ServerHello,
    Unknown,
    parse_server_message,
)

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

LOOK_S: Final = 0.01


class NodeHolder:
    """See `hub.port.Holder`."""

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self._name = name

    async def give_up(self, device_id: str) -> None:
        """Let another process have the device; see `hub.port.Holder`.

        Bounded by `session.snapshot_timeout_s`, as everything is that a device is made to wait for.
        """
        node = self._node
        session = node.registry.by_device(device_id)
        with suppress(TimeoutError, HubError):
            async with asyncio.timeout(node.settings.session.snapshot_timeout_s):
                if session is not None and session.connection.lifecycle.reason is None:
                    await _hand_over(session)
                elif session is not None:
                    await _see_off(node, session)
                await node.hub.where(device_id)  # which is behind all that was to be written

    async def command(self, device_id: str, payload: bytes) -> bytes:
        """Send the message in `payload` to a device; empty when it is on its way."""
        session = self._node.registry.by_device(device_id)
        if session is None or session.connection.lifecycle.reason is not None:
            raise NotConnectedError(f"{device_id} is not connected")
        session.tell_text(_message_in(payload))
        return b""

    def describe(self, device_id: str) -> tuple[str, str] | None:
        """Return state and health of a device that is here, else None."""
        session = self._node.registry.by_device(device_id)
        if session is None:
            return None
        connection = session.connection
        return connection.lifecycle.state.value, connection.heartbeat.verdict.value

    def load(self) -> NodeView:
        """Return this node and its load."""
        node = self._node
        limit = node.settings.server.max_connections
        return NodeView(self._name, len(node.registry), limit, node.draining)


async def _hand_over(session: Session) -> None:
    """End a session that goes on elsewhere: it hears no more, and leaves what it has."""
    left = session.parting = hand_over(session, None)
    faults = session.connection.node.isolation.faults
    faults.close(session, CloseReason.REPLACED, "replaced_not_closed")
    if isinstance(left.snapshot, asyncio.Future):
        await asyncio.wait({left.snapshot})
    session.release()


async def _see_off(node: Node, session: Session) -> None:
    """Wait for no Close any more: the device has come back elsewhere, and asks for what it left."""
    session.connection.drop()
    # No session pays for an event that only this wait would need.
    while session in node.registry:
        await asyncio.sleep(LOOK_S)
        node.departures.hasten(session.device_id)


def _message_in(payload: bytes) -> str:
    """Return the text of a message that a device understands. Raises CommandError.

    A hello is none of them: the device has had the one that there is.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise CommandError("a message is text in UTF-8") from None
    message = parse_server_message(text)
    if isinstance(message, Malformed):
        raise CommandError(f"no device understands this message: {message.detail}")
    if isinstance(message, Unknown | ServerHello):
        types = ", ".join(sorted(str(each) for each in SERVER_TYPES if each != "hello"))
        kind = "hello" if isinstance(message, ServerHello) else message.type
        raise CommandError(f"no device is sent the type {kind[:40]!r}; there are {types}")
    return text
