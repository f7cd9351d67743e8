"""PURE: who a simulated device is, and how it introduces itself."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keepline.wire.client_handshake import upgrade_request

if TYPE_CHECKING:
    from keepline.fleet.chance import Randomness


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a device is, where it wants to go and how it frames its audio.

    `token` None sends no Authorization.
    """

    device_id: str
    client_id: str
    host: str
    target: str
    token: str | None = field(repr=False)
    audio_version: int = 1

    def upgrade(self, key: str) -> bytes:
        """Return the upgrade request; `key` is 16 random bytes in base64."""
        headers = {
            "Protocol-Version": str(self.audio_version),
            "Device-Id": self.device_id,
            "Client-Id": self.client_id,
        }
        if self.token is not None:
            bearer = self.token if " " in self.token else f"Bearer {self.token}"
            headers["Authorization"] = bearer
        return upgrade_request(host=self.host, target=self.target, headers=headers, key=key)


def drawn_ids(chance: Randomness) -> tuple[str, str]:
    """Return a device id, a locally administered MAC, and a client id."""
    device_id = "02:" + chance.randbytes(5).hex(":")
    return device_id, str(uuid.UUID(bytes=chance.randbytes(16), version=4))
