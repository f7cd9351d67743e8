"""Which profile a device has: by its id, else by how it connects."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from keepline.gateway.auth.credentials import shown_device_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.gateway.identity import Identity
    from keepline.lifecycle.profile import Profile
    from keepline.wire.handshake import Request


class Profiles:
    """The profiles of a node, by name; shared by all connections."""

    __slots__ = ("_browser", "_patterns", "default")

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self.default = profiles["xiaozhi"]
        self._browser = profiles["browser"]
        self._patterns = [
            (re.compile(translate(pattern), re.IGNORECASE), profile)
            for profile in profiles.values()
            for pattern in profile.match
        ]

    def of(self, request: Request, identity: Identity) -> Profile:
        """Return the first profile that fits the device id, else by the kind of request."""
        return self._of(request, identity.device_id)

    def shown(self, request: Request) -> Profile:
        """Return the profile by what the request shows, before anything is proven."""
        return self._of(request, shown_device_id(request))

    def _of(self, request: Request, device_id: str) -> Profile:
        for pattern, profile in self._patterns:
            if pattern.match(device_id):
                return profile
        is_browser = "origin" in request.headers or "device-id" in request.query
        return self._browser if is_browser else self.default
