"""Who waits to be approved, each with a code for the operator and a challenge for its key."""

from __future__ import annotations

import hmac
from collections import Counter
from typing import TYPE_CHECKING, Final

from keepline.errors import RefusedError
from keepline.gateway.enrolment.applicant import device_key
from keepline.gateway.throttle import address_key
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepline.gateway.enrolment.applicant import Applicant

CODE_DIGITS: Final = 6  # what the firmware's voice can read out
CHALLENGE_BYTES: Final = 32
MOST_WRONG_PROOFS: Final = 5
RETRY_AFTER_S: Final = 60


class Pending:
    """One device that waits. It is asked for again by its device and client id, or by its code."""

    __slots__ = ("applicant", "challenge", "code", "expires_at", "wrong_proofs")

    def __init__(self, applicant: Applicant, code: str, challenge: str, expires_at: float) -> None:
        self.applicant = applicant
        self.code = code
        self.challenge = challenge
        self.expires_at = expires_at
        self.wrong_proofs = 0

    @property
    def may_prove(self) -> bool:
        """Whether a key may still be proven here; else the device waits for its next code."""
        return self.wrong_proofs < MOST_WRONG_PROOFS


class Waiting:
    """All that wait: one code for each device and client, all codes different, all for a while.

    `draw` returns that many random bytes. Times are of `clock.now`.
    """

    def __init__(
        self, draw: Callable[[int], bytes], *, life_s: float, most: int, most_per_address: int
    ) -> None:
        self._draw = draw
        self._life_s = life_s
        self._most = most
        self._most_per_address = most_per_address
        self._pending: dict[tuple[str, str], Pending] = {}  # in the order of their expiry
        self._codes: set[str] = set()
        self._per_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._pending)

    def all(self, now: float) -> Iterator[Pending]:
        """Yield whose code is still valid, the oldest first."""
        self._expire(now)
        return iter(self._pending.values())

    def admit(self, applicant: Applicant, now: float) -> tuple[Pending, bool]:
        """Return the entry of this device and client, and whether it is new.

        Raises RefusedError 429 when too many wait, from this address or in all: nobody's code is
        taken away to make room, or a flood could keep a device from ever being approved.
        """
        self._expire(now)
        found = self._pending.get(_key(applicant))
        if found is not None:
            return found, False
        origin = address_key(applicant.address)
        if len(self._pending) >= self._most or (
            self._per_address[origin] >= self._most_per_address
        ):
            raise RefusedError(
                "too many devices wait to be approved",
                CloseReason.RATE_LIMITED,
                retry_after_s=RETRY_AFTER_S,
            )
        challenge = self._draw(CHALLENGE_BYTES).hex()
        pending = Pending(applicant, self._new_code(), challenge, now + self._life_s)
        self._pending[_key(applicant)] = pending
        self._codes.add(pending.code)
        self._per_address[origin] += 1
        return pending, True

    def find(self, applicant: Applicant, now: float) -> Pending | None:
        """Return the entry of this device and client."""
        self._expire(now)
        return self._pending.get(_key(applicant))

    def by_code(self, code: str, now: float) -> Pending | None:
        """Return whose code this is; takes as long for a wrong one as for a right one."""
        self._expire(now)
        found = None
        for pending in self._pending.values():
            if hmac.compare_digest(pending.code.encode(), code.encode()):
                found = pending
        return found

    def remove(self, pending: Pending) -> None:
        """Take an entry out; its code and its challenge are worth nothing from now on."""
        if self._pending.pop(_key(pending.applicant), None) is None:
            return
        self._codes.discard(pending.code)
        origin = address_key(pending.applicant.address)
        self._per_address[origin] -= 1
        if not self._per_address[origin]:
            del self._per_address[origin]

    def _expire(self, now: float) -> None:
        # All live equally long, so the first that has not expired ends the search.
        while self._pending:
            oldest = next(iter(self._pending.values()))
            if oldest.expires_at > now:
                return
            self.remove(oldest)

    def _new_code(self) -> str:
        while True:  # far more codes than `enrolment.max_pending` may be
            number = int.from_bytes(self._draw(8)) % 10**CODE_DIGITS
            code = f"{number:0{CODE_DIGITS}}"
            if code not in self._codes:
                return code


def _key(applicant: Applicant) -> tuple[str, str]:
    return device_key(applicant.device_id), applicant.client_digest
