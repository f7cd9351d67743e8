"""What operators do about enrolment: look who waits, approve, revoke, forget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.errors import RefusedError
from keepline.gateway.throttle import Throttle
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.clock import Clock
    from keepline.gateway.enrolment.endpoint import Enrolment
    from keepline.gateway.enrolment.ledger import Entry
    from keepline.gateway.enrolment.waiting import Pending
    from keepline.monitor.metrics import Counters

WRONG_CODES: Final = 10
WRONG_CODE_REFILL_S: Final = 30.0
_ONE_KEY: Final = ""  # operators are one


class Waiter(NamedTuple):
    """One device that waits, as it is shown to whoever approves it.

    `former` is the device's entry if it was enrolled or revoked before, perhaps as another client.
    `client_guessable` is true when its client id is no random UUID, so no secret.
    """

    code: str
    device_id: str
    board: str
    serial: str
    address: str
    client_guessable: bool
    expires_in_s: float
    former: Entry | None


class Desk:
    """The operators' side of an `Enrolment`. Wrong codes are limited, as if they were guesses."""

    def __init__(self, enrolment: Enrolment, clock: Clock, counters: Counters) -> None:
        self._enrolment = enrolment
        self._ledger = enrolment.ledger
        self._clock = clock
        self._counters = counters
        self._wrong_codes = Throttle(burst=WRONG_CODES, refill_s=WRONG_CODE_REFILL_S, most_keys=1)

    def waiting(self) -> Iterator[Waiter]:
        """Yield who waits, the one with the least time left first."""
        now = self._clock.now()
        return (self._shown(pending, now) for pending in self._enrolment.waiting.all(now))

    def devices(self) -> Iterator[Entry]:
        """Yield who is enrolled or revoked."""
        return iter(self._ledger)

    def look(self, code: str) -> Waiter:
        """Return whose code this is. Raises RefusedError 404 for nobody's, 429 for too many."""
        now = self._clock.now()
        return self._shown(self._pending(code, now), now)

    async def approve(self, code: str, device_id: str) -> Waiter:
        """Vouch for the device that has this code and is the one that was looked at.

        Raises RefusedError 404 when it is not, 429 for too many wrong codes, 503 when that could
        not be written down; then the device still waits.
        """
        now = self._clock.now()
        pending = self._pending(code, now)
        if pending.applicant.device_id != device_id:
            raise self._wrong(now)
        shown = self._shown(pending, now)
        await self._enrolment.enrol(pending.applicant, "operator")
        self._enrolment.waiting.remove(pending)
        return shown

    async def revoke(self, device_id: str) -> Entry:
        """Void a device's tokens, end its session and refuse it. Raises LedgerError."""
        return await self._enrolment.revoke(device_id)

    async def forget(self, device_id: str) -> bool:
        """Make a device a stranger again; False if it was one. Raises LedgerError."""
        return await self._enrolment.forget(device_id)

    def _pending(self, code: str, now: float) -> Pending:
        wait_s = self._wrong_codes.wait_s(_ONE_KEY, now)
        if wait_s:
            raise RefusedError(
                "too many wrong codes", CloseReason.RATE_LIMITED, retry_after_s=math.ceil(wait_s)
            )
        pending = self._enrolment.waiting.by_code(code, now)
        if pending is None:
            raise self._wrong(now)
        return pending

    def _wrong(self, now: float) -> RefusedError:
        self._wrong_codes.take(_ONE_KEY, now)
        self._counters.enrolment_codes_refused += 1
        return RefusedError("no device waits with this code", CloseReason.NOT_FOUND)

    def _shown(self, pending: Pending, now: float) -> Waiter:
        applicant = pending.applicant
        former = self._ledger.find(applicant.device_id)
        return Waiter(
            code=pending.code,
            device_id=applicant.device_id,
            board=applicant.board,
            serial=applicant.serial,
            address=applicant.address,
            client_guessable=applicant.client_guessable,
            expires_in_s=max(0.0, pending.expires_at - now),
            former=None if former is None or former.is_forgotten else former,
        )
