"""Why a connection ended: a closed list, each entry with who ended it and what the peer is told."""

from __future__ import annotations

from enum import Enum, StrEnum


class Initiator(StrEnum):
    """Who ended a connection."""

    DEVICE = "device"
    NETWORK = "network"
    US = "us"
    OPERATOR = "operator"


class CloseReason(Enum):
    """One cause of an ending.

    `cause` names it in logs, metrics and on the wire; `code` is the WebSocket close code that is
    sent (RFC 6455 §7.4), `None` where nothing can be or needs to be sent; `status` is the HTTP
    status when the connection is refused before the upgrade, else `None`.
    """

    # Ended by the device.
    DEVICE_CLOSED = ("device_closed", Initiator.DEVICE)  # FIN without Close: how firmware hangs up
    DEVICE_SAID_CLOSE = ("device_said_close", Initiator.DEVICE)  # a closing handshake
    DEVICE_RESET = ("device_reset", Initiator.DEVICE)  # RST

    # Ended by the network.
    NETWORK_TIMEOUT = ("network_timeout", Initiator.NETWORK)  # the kernel gave up (ETIMEDOUT)
    NETWORK_LOST = ("network_lost", Initiator.NETWORK)  # any other error of the socket

    # Ended by us, after the upgrade.
    HEARTBEAT_TIMEOUT = ("heartbeat_timeout", Initiator.US, 1001)
    HELLO_TIMEOUT = ("hello_timeout", Initiator.US, 1008)
    HELLO_INVALID = ("hello_invalid", Initiator.US, 1008)
    PROTOCOL_ERROR = ("protocol_error", Initiator.US, 1002)
    INVALID_DATA = ("invalid_data", Initiator.US, 1007)
    MESSAGE_TOO_BIG = ("message_too_big", Initiator.US, 1009)
    FLOODING = ("flooding", Initiator.US, 1008)
    INBOX_OVERFLOW = ("inbox_overflow", Initiator.US, 1008)
    OUTBOX_OVERFLOW = ("outbox_overflow", Initiator.US, 1008)
    SLOW_READER = ("slow_reader", Initiator.US, 1008)
    REPLACED = ("replaced", Initiator.US, 4001)
    HANDLER_CLOSED = ("handler_closed", Initiator.US, 1000)
    HANDLER_FAILED = ("handler_failed", Initiator.US, 1011)
    INTERNAL_ERROR = ("internal_error", Initiator.US, 1011)

    # Ended by the operator.
    SERVER_SHUTDOWN = ("server_shutdown", Initiator.OPERATOR, 1001)
    KICKED = ("kicked", Initiator.OPERATOR, 4002)

    # Answered by us, without an upgrade.
    ANSWERED = ("answered", Initiator.US, None, 200)  # a configuration request
    BAD_REQUEST = ("bad_request", Initiator.US, None, 400)
    UNAUTHORIZED = ("unauthorized", Initiator.US, None, 401)
    FORBIDDEN = ("forbidden", Initiator.US, None, 403)
    NOT_FOUND = ("not_found", Initiator.US, None, 404)
    METHOD_NOT_ALLOWED = ("method_not_allowed", Initiator.US, None, 405)
    HEAD_TIMEOUT = ("head_timeout", Initiator.US, None, 408)
    BODY_TOO_LARGE = ("body_too_large", Initiator.US, None, 413)
    UPGRADE_REQUIRED = ("upgrade_required", Initiator.US, None, 426)
    HEAD_TOO_LARGE = ("head_too_large", Initiator.US, None, 431)
    REFUSED_INTERNAL = ("refused_internal", Initiator.US, None, 500)
    FULL = ("full", Initiator.US, None, 503)
    DRAINING = ("draining", Initiator.US, None, 503)

    def __init__(
        self,
        cause: str,
        initiator: Initiator,
        code: int | None = None,
        status: int | None = None,
    ) -> None:
        self.cause = cause
        self.initiator = initiator
        self.code = code
        self.status = status
