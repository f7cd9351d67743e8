"""The refusals that say when to come back."""

from __future__ import annotations

from math import ceil

from keepline.errors import RefusedError
from keepline.reasons import CloseReason

RETRY_AFTER_S = 10  # what stock firmware waits between its tries anyway


def leaving() -> RefusedError:
    """Return the refusal of a gateway that stops."""
    return RefusedError(
        "this gateway is leaving", CloseReason.DRAINING, retry_after_s=RETRY_AFTER_S
    )


def no_room(detail: str) -> RefusedError:
    """Return the refusal of a gateway that is full."""
    return RefusedError(detail, CloseReason.FULL, retry_after_s=RETRY_AFTER_S)


def address_full() -> RefusedError:
    """Return the refusal of an address that has as many connections as one may have."""
    return RefusedError(
        "too many connections from this address",
        CloseReason.ADDRESS_FULL,
        retry_after_s=RETRY_AFTER_S,
    )


def too_many_at_once() -> RefusedError:
    """Return the refusal of an address that has as many handshakes under way as one may have."""
    return RefusedError(
        "too many handshakes at once from this address",
        CloseReason.ADDRESS_FULL,
        retry_after_s=1,
    )


def too_often(wait_s: float) -> RefusedError:
    """Return the refusal of an address that connects more often than one may."""
    return RefusedError(
        "too many connections in too short a time from this address",
        CloseReason.RATE_LIMITED,
        retry_after_s=max(1, ceil(wait_s)),
    )
