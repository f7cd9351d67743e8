"""Ids of sessions: nobody can guess them, and there are never two alike."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ID_BYTES: Final = 8
DRAWN_AT_ONCE: Final = 64
"""Who asks the system for randomness lets another thread run first, and waits for it."""


def session_ids(draw: Callable[[int], bytes] = secrets.token_bytes) -> Iterator[str]:
    """Yield ids of 16 hexadecimal digits for ever; `draw` returns so many random bytes."""
    while True:
        drawn = draw(DRAWN_AT_ONCE * ID_BYTES)
        for at in range(0, len(drawn), ID_BYTES):
            yield drawn[at : at + ID_BYTES].hex()
