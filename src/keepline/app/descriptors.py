"""How many files a gateway has open at the most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from keepline.settings.server import Server

OTHER_DESCRIPTORS: Final = 256  # operators, logs, and what the handlers open


def wanted_descriptors(server: Server) -> int:
    """Return how many a full gateway needs: one for each device and each handshake, and some."""
    return server.max_connections + server.max_admissions + OTHER_DESCRIPTORS
