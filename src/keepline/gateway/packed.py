"""A session's two ids in one integer: 64 bytes for each session, where two texts take 176."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Packed: TypeAlias = int | tuple[str, str]
"""An integer when the ids have the usual form, else the two as they are."""

_SESSION: Final = re.compile(r"[0-9a-f]{16}")  # as ours are
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID_BITS: Final = 128
_UUID_MASK: Final = (1 << _UUID_BITS) - 1


def pack(session_id: str, client_id: str) -> Packed:
    """Return both ids as one object."""
    if _SESSION.fullmatch(session_id) and _UUID.fullmatch(client_id):
        return int(session_id + client_id.replace("-", ""), 16)
    return session_id, client_id


def session_id_of(packed: Packed) -> str:
    """Return the first of the two."""
    if isinstance(packed, int):
        return f"{packed >> _UUID_BITS:016x}"
    return packed[0]


def client_id_of(packed: Packed) -> str:
    """Return the second of the two."""
    if isinstance(packed, int):
        digits = f"{packed & _UUID_MASK:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return packed[1]
