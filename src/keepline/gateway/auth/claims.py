"""What a token says of itself once its signature is right, and what can be wrong with it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from keepline.gateway.auth.contract import IssuedToken


class Claims(NamedTuple):
    """A good token's own words; times are wall clock, None where it says nothing."""

    issued_at: float | None
    expires_at: float | None


class Fault(StrEnum):
    """Why a token is no good, in words for the device and for the operator."""

    MISSING = "token missing"
    MALFORMED = "token malformed"
    UNKNOWN_KEY = "token signed with an unknown key"
    FORGED = "token signed with a wrong key, or issued for another device"
    OTHER_DEVICE = "token issued for another device"
    OTHER_AUDIENCE = "token issued by or for somebody else"
    EXPIRED = "token expired"
    TOO_EARLY = "token not valid yet: a clock is wrong"


class Scheme(Protocol):
    """One kind of token that is bound to a device and proves itself."""

    def check(self, token: str, device_id: str, client_id: str, now_wall: float) -> Claims | Fault:
        """Return what `token` claims, or what is wrong with it for this device at this moment.

        Token and ids are as they came, of any length and characters.
        """

    def issue(self, device_id: str, client_id: str, now_wall: float) -> IssuedToken:
        """Return a new token for this device."""
