"""Lets in the devices of a list, each with a token of its own.

keepline serve --auth examples.allow_list:AllowList

The list is `devices.txt`: on each line a device's id and the SHA-256 of its token, which
`printf %s TOKEN | sha256sum` prints.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

from keepline import CloseReason, Identity, RefusedError

if TYPE_CHECKING:
    from keepline import Request


class AllowList:
    """Knows who may come in. What `judge` raises is told to the device in the upgrade."""

    def __init__(self, path: Path = Path("devices.txt")) -> None:
        lines = path.read_text("utf-8").splitlines()
        self._digests = dict(line.split() for line in lines if line.strip())

    async def judge(self, request: Request) -> Identity:
        """Return who it is. Raises RefusedError: 403 for a stranger, 401 for a wrong token."""
        device_id = request.headers.get("device-id", "")
        expected = self._digests.get(device_id)
        if expected is None:
            raise RefusedError("not on the list", CloseReason.FORBIDDEN)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), expected):
            raise RefusedError("token missing or wrong", CloseReason.UNAUTHORIZED)
        return Identity(device_id, request.headers.get("client-id", ""))
