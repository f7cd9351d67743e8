"""A session's claim, what it found, and its ids in one integer: 64 bytes, where they took 216.

The claim's number would be worse than its size where it is made by the hub's thread: each one that
stays keeps a page of that thread's memory from being given back.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from keepline.hub.port import Outcome

Packed: TypeAlias = int | tuple[int, Outcome, str, str]
"""An integer when the ids have the usual form, else the four as they are."""

_SESSION: Final = re.compile(r"[0-9a-f]{16}")  # as ours are
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID_BITS: Final = 128
_UUID_MASK: Final = (1 << _UUID_BITS) - 1
_SESSION_MASK: Final = (1 << 64) - 1
_OUTCOME_AT: Final = _UUID_BITS + 64
_IDS_MASK: Final = (1 << _OUTCOME_AT) - 1
_OUTCOMES: Final = tuple(Outcome)
_CLAIM_AT: Final = _OUTCOME_AT + 2


def pack(claim: int, outcome: Outcome, session_id: str, client_id: str) -> Packed:
    """Return all four as one object."""
    if _SESSION.fullmatch(session_id) and _UUID.fullmatch(client_id):
        ids = int(session_id + client_id.replace("-", ""), 16)
        return claim << _CLAIM_AT | _OUTCOMES.index(outcome) << _OUTCOME_AT | ids
    return claim, outcome, session_id, client_id


def with_claim_and_outcome(packed: Packed, claim: int, outcome: Outcome) -> Packed:
    """Return the same ids with these two instead."""
    if isinstance(packed, int):
        found = _OUTCOMES.index(outcome)
        return claim << _CLAIM_AT | found << _OUTCOME_AT | packed & _IDS_MASK
    return claim, outcome, *packed[2:]


def claim_of(packed: Packed) -> int:
    """Return the number of the claim."""
    return packed >> _CLAIM_AT if isinstance(packed, int) else packed[0]


def outcome_of(packed: Packed) -> Outcome:
    """Return what the device found of itself."""
    if isinstance(packed, int):
        return _OUTCOMES[packed >> _OUTCOME_AT & 3]
    return packed[1]


def session_id_of(packed: Packed) -> str:
    """Return the session's own id."""
    if isinstance(packed, int):
        return f"{packed >> _UUID_BITS & _SESSION_MASK:016x}"
    return packed[2]


def client_id_of(packed: Packed) -> str:
    """Return the device's Client-Id."""
    if isinstance(packed, int):
        digits = f"{packed & _UUID_MASK:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return packed[3]
