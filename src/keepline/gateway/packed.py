"""A session's claim and ids in one integer: 64 bytes for each session, where three take 208.

The claim's number would be worse than its size where it is made by the hub's thread: each one that
stays keeps a page of that thread's memory from being given back.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Packed: TypeAlias = int | tuple[int, str, str]
"""An integer when the ids have the usual form, else the three as they are."""

_SESSION: Final = re.compile(r"[0-9a-f]{16}")  # as ours are
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID_BITS: Final = 128
_UUID_MASK: Final = (1 << _UUID_BITS) - 1
_SESSION_MASK: Final = (1 << 64) - 1
_CLAIM_AT: Final = _UUID_BITS + 64
_IDS_MASK: Final = (1 << _CLAIM_AT) - 1


def pack(claim: int, session_id: str, client_id: str) -> Packed:
    """Return all three as one object."""
    if _SESSION.fullmatch(session_id) and _UUID.fullmatch(client_id):
        return claim << _CLAIM_AT | int(session_id + client_id.replace("-", ""), 16)
    return claim, session_id, client_id


def with_claim(packed: Packed, claim: int) -> Packed:
    """Return the same with another claim."""
    if isinstance(packed, int):
        return claim << _CLAIM_AT | packed & _IDS_MASK
    return claim, *packed[1:]


def claim_of(packed: Packed) -> int:
    """Return the number of the claim."""
    return packed >> _CLAIM_AT if isinstance(packed, int) else packed[0]


def session_id_of(packed: Packed) -> str:
    """Return the session's own id."""
    if isinstance(packed, int):
        return f"{packed >> _UUID_BITS & _SESSION_MASK:016x}"
    return packed[1]


def client_id_of(packed: Packed) -> str:
    """Return the device's Client-Id."""
    if isinstance(packed, int):
        digits = f"{packed & _UUID_MASK:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return packed[2]
