"""Why a connection ended: a closed list, each entry with who ended it and what the peer is told."""

from __future__ import annotations

from enum import Enum, StrEnum


class Initiator(StrEnum):
    """Who ended a connection."""

    DEVICE = "device"
    NETWORK = "network"
    US = "us"
    OPERATOR = "operator"
    UPSTREAM = "upstream"


class Advice(StrEnum):
    """What a device should make of an ending that was not its own doing."""

    COME_BACK = "come_back"  # at once or after the delay it is told
    STAY_AWAY = "stay_away"  # the same again would end the same way: something has to change first


_BACK, _AWAY = Advice.COME_BACK, Advice.STAY_AWAY


class CloseReason(Enum):
    """One cause of an ending.

    `cause` names it in logs, metrics and on the wire; `code` is the WebSocket close code that is
    sent (RFC 6455 §7.4), `None` where nothing can be or needs to be sent; `status` is the HTTP
    status when the connection is refused before the upgrade, else `None`; `advice` is `None` where
    the device ended it itself or nothing can be told.
    """

    __hash__ = object.__hash__  # an enum's own is a call in Python, for every count

    # Ended by the device.
    DEVICE_CLOSED = ("device_closed", Initiator.DEVICE)  # FIN without Close: how firmware hangs up
    DEVICE_SAID_CLOSE = ("device_said_close", Initiator.DEVICE)  # a closing handshake
    DEVICE_RESET = ("device_reset", Initiator.DEVICE)  # RST

    # Ended by the network.
    NETWORK_TIMEOUT = ("network_timeout", Initiator.NETWORK)  # the kernel gave up (ETIMEDOUT)
    NETWORK_LOST = ("network_lost", Initiator.NETWORK)  # any other error of the socket

    # Ended by us, before there was anything to answer in.
    TLS_FAILED = ("tls_failed", Initiator.US)
    PROXY_HEADER_INVALID = ("proxy_header_invalid", Initiator.US)

    # Ended by us, after the upgrade.
    HEARTBEAT_TIMEOUT = ("heartbeat_timeout", Initiator.US, 1001, None, _BACK)
    HELLO_TIMEOUT = ("hello_timeout", Initiator.US, 1008, None, _AWAY)
    HELLO_INVALID = ("hello_invalid", Initiator.US, 1008, None, _AWAY)
    PROTOCOL_ERROR = ("protocol_error", Initiator.US, 1002, None, _AWAY)
    INVALID_DATA = ("invalid_data", Initiator.US, 1007, None, _AWAY)
    MESSAGE_TOO_BIG = ("message_too_big", Initiator.US, 1009, None, _AWAY)
    MESSAGE_TIMEOUT = ("message_timeout", Initiator.US, 1008, None, _AWAY)
    FLOODING = ("flooding", Initiator.US, 1008, None, _AWAY)
    INBOX_OVERFLOW = ("inbox_overflow", Initiator.US, 1008, None, _AWAY)
    OUTBOX_OVERFLOW = ("outbox_overflow", Initiator.US, 1013, None, _BACK)
    SLOW_READER = ("slow_reader", Initiator.US, 1013, None, _BACK)
    REPLACED = ("replaced", Initiator.US, 4001, None, _AWAY)
    TOKEN_EXPIRED = ("token_expired", Initiator.US, 4003, None, _BACK)  # with a new token
    HANDLER_CLOSED = ("handler_closed", Initiator.US, 1000, None, _BACK)  # when there is need
    HANDLER_FAILED = ("handler_failed", Initiator.US, 1011, None, _BACK)
    HANDLER_TIMEOUT = ("handler_timeout", Initiator.US, 1011, None, _BACK)
    HANDLER_OVER_BUDGET = ("handler_over_budget", Initiator.US, 1011, None, _BACK)
    HANDLER_SUSPENDED = ("handler_suspended", Initiator.US, 1013, None, _BACK)
    CLUSTER_AWAY = ("cluster_away", Initiator.US, 1013, None, _BACK)  # nobody could be asked
    OUT_OF_MEMORY = ("out_of_memory", Initiator.US, 1013, None, _BACK)
    SHED = ("shed", Initiator.US, 1013, None, _BACK)  # idle, and the node had too much
    INTERNAL_ERROR = ("internal_error", Initiator.US, 1011, None, _BACK)

    # Ended by the operator.
    SERVER_SHUTDOWN = ("server_shutdown", Initiator.OPERATOR, 1001, None, _BACK)
    SERVER_RESTART = ("server_restart", Initiator.OPERATOR, 1012, None, _BACK)  # by itself
    KICKED = ("kicked", Initiator.OPERATOR, 4002, None, _AWAY)
    REVOKED = ("revoked", Initiator.OPERATOR, 4004, None, _AWAY)

    # Ended by the upstream that a device was passed on to.
    UPSTREAM_CLOSED = ("upstream_closed", Initiator.UPSTREAM, 1000, None, _BACK)  # it hung up
    UPSTREAM_LOST = ("upstream_lost", Initiator.UPSTREAM, 1013, None, _BACK)  # in a conversation
    UPSTREAM_REFUSED = ("upstream_refused", Initiator.UPSTREAM, 1008, None, _AWAY)

    # Answered by us, without an upgrade.
    ANSWERED = ("answered", Initiator.US, None, 200)  # a configuration request
    BAD_REQUEST = ("bad_request", Initiator.US, None, 400, _AWAY)
    UNAUTHORIZED = ("unauthorized", Initiator.US, None, 401, _AWAY)
    FORBIDDEN = ("forbidden", Initiator.US, None, 403, _AWAY)
    ORIGIN_REFUSED = ("origin_refused", Initiator.US, None, 403, _AWAY)
    NOT_FOUND = ("not_found", Initiator.US, None, 404, _AWAY)
    METHOD_NOT_ALLOWED = ("method_not_allowed", Initiator.US, None, 405, _AWAY)
    HEAD_TIMEOUT = ("head_timeout", Initiator.US, None, 408, _AWAY)
    BODY_TOO_LARGE = ("body_too_large", Initiator.US, None, 413, _AWAY)
    UPGRADE_REQUIRED = ("upgrade_required", Initiator.US, None, 426, _AWAY)
    RATE_LIMITED = ("rate_limited", Initiator.US, None, 429, _BACK)
    ADDRESS_FULL = ("address_full", Initiator.US, None, 429, _BACK)
    FLAPPING = ("flapping", Initiator.US, None, 429, _BACK)  # comes and goes without end
    KICK_WAR = ("kick_war", Initiator.US, None, 409, _BACK)  # another with its id has the device
    HEAD_TOO_LARGE = ("head_too_large", Initiator.US, None, 431, _AWAY)
    REFUSED_INTERNAL = ("refused_internal", Initiator.US, None, 500, _BACK)
    AUTH_UNAVAILABLE = ("auth_unavailable", Initiator.US, None, 503, _BACK)
    HANDLER_UNAVAILABLE = ("handler_unavailable", Initiator.US, None, 503, _BACK)
    CLUSTER_UNAVAILABLE = ("cluster_unavailable", Initiator.US, None, 503, _BACK)
    UPSTREAM_UNAVAILABLE = ("upstream_unavailable", Initiator.US, None, 503, _BACK)
    OVERLOADED = ("overloaded", Initiator.US, None, 503, _BACK)  # for now, not full
    FULL = ("full", Initiator.US, None, 503, _BACK)
    DRAINING = ("draining", Initiator.US, None, 503, _BACK)

    def __init__(
        self,
        cause: str,
        initiator: Initiator,
        code: int | None = None,
        status: int | None = None,
        advice: Advice | None = None,
    ) -> None:
        self.cause = cause
        self.initiator = initiator
        self.code = code
        self.status = status
        self.advice = advice
