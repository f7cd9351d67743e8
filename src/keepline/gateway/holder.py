"""A node as its hub sees it: what it holds, how that is, and what can be sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.errors import CommandError, NotConnectedError
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


class NodeHolder:
    """See `hub.port.Holder`."""

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self._name = name

    async def give_up(self, device_id: str) -> None:
        """Let another node have the device; see `hub.port.Holder`."""
        session = self._node.registry.by_device(device_id)
        if session is not None:
            await session.save_snapshot()
            session.close(CloseReason.REPLACED)

    async def command(self, device_id: str, payload: bytes) -> bytes:
        """Send the message in `payload` to a device; empty when it is on its way."""
        session = self._node.registry.by_device(device_id)
        if session is None or session.connection.lifecycle.reason is not None:
            raise NotConnectedError(f"{device_id} is not connected")
        session.send_text(_message_in(payload))
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
