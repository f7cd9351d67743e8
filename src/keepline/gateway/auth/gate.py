"""What stands before every authenticator: Origin, failure limits; and behind it: revocation.

Failures are counted for a device at one address, and for the address. Not for the device alone:
then anybody could lock a device out by failing with its id, which is no secret. Guessing from
many addresses is left to the length of tokens. The limit of an address is the wider one, as a
household or an office has one address; a single broken device meets its own limit first, and what
is refused by a limit counts for none.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

from keepline.errors import RefusedError
from keepline.gateway.auth.credentials import ID_CHARACTERS, check_origin, shown_device_id
from keepline.gateway.throttle import Throttle, address_key
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.auth.contract import Authenticator, Revocations
    from keepline.gateway.identity import Identity
    from keepline.settings.auth import Auth
    from keepline.wire.handshake import Request

FAILURES: Final = frozenset({CloseReason.UNAUTHORIZED, CloseReason.FORBIDDEN})


class Gate:
    """Lets devices to the authenticator, and what it said to the node."""

    __slots__ = ("_addresses", "_devices", "_now", "_origins", "_revocations", "authenticator")

    def __init__(
        self,
        authenticator: Authenticator,
        settings: Auth,
        revocations: Revocations,
        now: Callable[[], float],
    ) -> None:
        self.authenticator = authenticator
        self._revocations = revocations
        self._now = now
        self._origins = frozenset(settings.origins)
        self._devices = Throttle(burst=settings.device_failures, refill_s=settings.device_refill_s)
        self._addresses = Throttle(
            burst=settings.address_failures, refill_s=settings.address_refill_s
        )

    async def judge(self, request: Request) -> Identity:
        """Return who it is. Raises RefusedError as the authenticator does, and some of its own.

        Those are 403 for an Origin, 429 at a limit and 401 for the revoked.
        """
        check_origin(request, self._origins)
        # While nobody fails, nothing is looked up.
        if self._addresses:
            self._check_limits(request)
        try:
            identity = await self.authenticator.judge(request)
        except RefusedError as error:
            if error.reason in FAILURES:
                self._count(request)
            raise
        if self.is_revoked(identity):
            self._count(request)
            raise RefusedError("revoked", CloseReason.UNAUTHORIZED)
        if self._devices:
            self._devices.forget(_at_address(request))
        return identity

    def is_revoked(self, identity: Identity) -> bool:
        """Whether this device was let in and is not to be any more."""
        return self._revocations.is_revoked(identity.device_id, identity.issued_at)

    def each_second(self) -> None:
        """Forget who has not failed for long."""
        now = self._now()
        self._devices.forget_full(now)
        self._addresses.forget_full(now)

    def forget(self, device_id: str) -> None:
        """Drop what the authenticator remembers of a device, if it remembers anything."""
        forget = getattr(self.authenticator, "forget", None)
        if forget is not None:
            forget(device_id)

    async def aclose(self) -> None:
        """Close the authenticator, if it can be closed; nobody is judged any more."""
        aclose = getattr(self.authenticator, "aclose", None)
        if aclose is not None:
            await aclose()

    def _check_limits(self, request: Request) -> None:
        now = self._now()
        wait_s = self._addresses.wait_s(address_key(request.address), now)
        wait_s = wait_s or self._devices.wait_s(_at_address(request), now)
        if wait_s:
            raise RefusedError(
                "too many failures", CloseReason.RATE_LIMITED, retry_after_s=ceil(wait_s)
            )

    def _count(self, request: Request) -> None:
        now = self._now()
        self._addresses.take(address_key(request.address), now)
        self._devices.take(_at_address(request), now)


def _at_address(request: Request) -> str:
    # An address has no space in it, so the key can be read in one way only.
    return f"{address_key(request.address)} {shown_device_id(request)[:ID_CHARACTERS]}"
