"""The three things authentication is made of: who judges, who issues, and who was revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from keepline.gateway.identity import Identity
    from keepline.wire.handshake import Request


class Authenticator(Protocol):
    """Decides whether a request may be upgraded. Yours may have an `async aclose()`, too."""

    async def judge(self, request: Request) -> Identity:
        """Return who it is; RefusedError with 400, 401, 403, 429 or 503 says no.

        Anything else it raises is answered 500, and taking longer than the handshake may is
        answered 503. It is cancelled when the device leaves meanwhile.
        """


class IssuedToken(NamedTuple):
    """A token for one device; `expires_at` (wall clock) is None when it never expires."""

    token: str
    expires_at: float | None

    def __repr__(self) -> str:
        return f"IssuedToken(expires_at={self.expires_at})"


class TokenIssuer(Protocol):
    """Makes the tokens that the authenticator of the same settings lets in."""

    def issue(self, device_id: str, client_id: str, now_wall: float) -> IssuedToken:
        """Return a token that is good for this device only, as far as the mode can bind it."""


class Revocations(Protocol):
    """Who was let in once and is not to be let in any more."""

    def is_revoked(self, device_id: str, issued_at: float | None) -> bool:
        """Whether tokens of that moment are void; None for a token that does not know its own.

        Asked for every device that comes, so from memory and at once.
        """


class NobodyRevoked:
    """No ledger: tokens are good until they expire."""

    def is_revoked(self, device_id: str, issued_at: float | None) -> bool:  # noqa: ARG002
        """Nobody is."""
        return False
