"""The configuration (OTA) endpoint, by which a device learns its WebSocket URL and token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from keepline.errors import RefusedError
from keepline.gateway.auth import read_identity
from keepline.reasons import CloseReason
from keepline.wire.handshake import json_response

if TYPE_CHECKING:
    from keepline.gateway.node import Node
    from keepline.wire.handshake import Request

CONFIGURATION_PATH = "/xiaozhi/ota"
FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-real-ip"})
"""Headers of a proxy: then the one who asks is somebody else than this machine."""

DEVICE_PATH = "/xiaozhi/v1"


def answer_configuration(node: Node, request: Request) -> bytes:
    """Return the whole HTTP answer to one configuration request.

    Enrolment is open, so the token is handed out only where nobody but this machine can ask.
    Raises RefusedError otherwise, and for a request that is no POST of a known device.
    """
    if request.method != "POST":
        raise RefusedError(
            "the configuration is asked for with POST", CloseReason.METHOD_NOT_ALLOWED
        )
    if not node.enrolment_open or not FORWARDED.isdisjoint(request.headers):
        raise RefusedError(
            "enrolment is open to this machine only: serve devices their configuration yourself",
            CloseReason.FORBIDDEN,
        )
    read_identity(request)
    host = request.headers.get("host", "")
    answer = {
        "server_time": {"timestamp": int(node.clock.wall() * 1000), "timezone_offset": 0},
        "firmware": {"version": "", "url": ""},
        "websocket": {
            "url": f"ws://{_with_port(host, node.port)}{DEVICE_PATH}/",
            "token": node.settings.auth.token or "none",
            "version": 1,
        },
    }
    return json_response(200, msgspec.json.encode(answer))


def _with_port(host: str, port: int) -> str:
    # The firmware sends Host without its port, even when that is not the default.
    has_port = host.rpartition(":")[2].isdigit() and not host.endswith("]")
    return host if has_port else f"{host}:{port}"
