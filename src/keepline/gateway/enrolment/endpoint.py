"""The configuration (OTA) endpoint: what happens to one request, from its method to its answer."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from keepline.errors import LedgerError, RefusedError
from keepline.gateway.auth.credentials import Ids, check_origin
from keepline.gateway.enrolment import answers
from keepline.gateway.enrolment.applicant import (
    Applicant,
    device_key,
    read_applicant,
    read_body,
    read_proof,
)
from keepline.gateway.paths import ACTIVATION_PATH
from keepline.gateway.throttle import Throttle, address_key
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.clock import Clock
    from keepline.gateway.auth import TokenIssuer
    from keepline.gateway.enrolment.allow_list import AllowList
    from keepline.gateway.enrolment.applicant import Proof
    from keepline.gateway.enrolment.forwarding import Forwarding
    from keepline.gateway.enrolment.ledger import Entry, Ledger, Voucher
    from keepline.gateway.enrolment.policies import Policy
    from keepline.gateway.enrolment.waiting import Pending, Waiting
    from keepline.gateway.identity import Identity
    from keepline.log import Log
    from keepline.monitor.metrics import Counters
    from keepline.settings import Settings
    from keepline.wire.handshake import Request

RETRY_AFTER_S = 10  # what stock firmware waits between its tries anyway


class Enrolment:
    """Answers devices that ask where to connect.

    `policy` is None where nobody is answered, or where `forwarding` has a voice server do it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        log: Log,
        counters: Counters,
        ledger: Ledger,
        waiting: Waiting,
        devices: AllowList,
        policy: Policy | None,
        issuer: TokenIssuer | None,
        forwarding: Forwarding | None = None,
    ) -> None:
        self.ledger = ledger
        self.waiting = waiting
        self.policy = policy
        self._settings = settings.enrolment
        self._audio_version = settings.session.audio_version
        self._origins = settings.auth.origins
        self._ids = Ids(settings.auth)
        self._clock = clock
        self._log = log
        self._counters = counters
        self._devices = devices
        self._issuer = issuer
        self._forwarding = forwarding
        self._by_address = Throttle(
            burst=settings.enrolment.address_burst, refill_s=settings.enrolment.address_refill_s
        )
        self._by_device = Throttle(
            burst=settings.enrolment.device_burst, refill_s=settings.enrolment.device_refill_s
        )

    async def open(self) -> None:
        """Read who is enrolled, before the first device comes. Raises StartError."""
        await self.ledger.open()
        if self.policy is not None and self.policy.activates and not self.ledger.is_kept:
            self._log.warning(
                "enrolments_are_not_kept", hint="every device is a stranger again without --data"
            )

    async def aclose(self) -> None:
        """Close what the policy holds open; nobody is answered any more."""
        aclose = getattr(self.policy, "aclose", None)
        if aclose is not None:
            await aclose()
        if self._forwarding is not None:
            await self._forwarding.aclose()

    async def answer(self, request: Request, port: int) -> bytes:
        """Return the whole HTTP answer; `port` is the one devices connect to.

        Raises RefusedError: 400, 403, 404, 405, 429, 503.
        """
        policy, forwarding = self.policy, self._forwarding
        if policy is None and forwarding is None:
            raise RefusedError("no configuration is given here", CloseReason.NOT_FOUND)
        if request.method != "POST":
            raise RefusedError(
                "the configuration is asked for with POST",
                CloseReason.METHOD_NOT_ALLOWED,
                allow="POST",
            )
        check_origin(request, self._origins)
        identity = self._read_ids(request)
        self._check_rate(request, identity)
        applicant = read_applicant(request, identity)
        if forwarding is not None:
            return await self._forward(forwarding, applicant, request, port)
        assert policy is not None
        await self._devices.renew(self._clock.now())
        if request.path.rstrip("/") == ACTIVATION_PATH:
            return await self._activate(policy, applicant, request)
        return await self._configure(policy, applicant, request, port)

    async def _forward(
        self, forwarding: Forwarding, applicant: Applicant, request: Request, port: int
    ) -> bytes:
        """Have the voice server answer; who is revoked here is not even asked about."""
        if self.ledger.is_revoked(applicant.device_id, None):
            raise RefusedError("this device is not enrolled here", CloseReason.FORBIDDEN)
        if request.path.rstrip("/") == ACTIVATION_PATH:
            return await forwarding.activate(request)
        url = self._url_for(request, port)
        make_token = None if self._issuer is None else partial(self._issued, applicant)
        return await forwarding.configure(request, url, make_token)

    def _url_for(self, request: Request, port: int) -> str:
        host = answers.read_host(request.headers.get("host", ""))
        return answers.websocket_url(
            self._settings.public_url, host, port=port, secure=request.secure
        )

    async def _configure(
        self, policy: Policy, applicant: Applicant, request: Request, port: int
    ) -> bytes:
        url = self._url_for(request, port)
        verdict = await policy.judge(applicant, request)
        moment = answers.Moment(self._clock.wall(), self._settings.timezone_offset_minutes)
        if verdict.activate:
            pending = self._wait(applicant)
            now = self._clock.now()
            return answers.to_be_activated(pending, self._settings.notice, moment, now)
        token = verdict.token or self._issued(applicant)
        return answers.configured(applicant, url, token, moment, audio_version=self._audio_version)

    async def _activate(self, policy: Policy, applicant: Applicant, request: Request) -> bytes:
        """Say whether this device is approved; who does not wait here hears what all others do."""
        if not policy.activates:
            raise RefusedError("no device is activated here", CloseReason.NOT_FOUND)
        verdict = await policy.judge(applicant, request)
        if not verdict.activate:
            return answers.activated()
        pending = self.waiting.find(applicant, self._clock.now())
        proof = read_proof(read_body(request.body))
        if pending is None or proof is None or not self._proves(pending, proof):
            return answers.not_yet()
        # Taken out first: a challenge is worth one proof.
        self.waiting.remove(pending)
        is_enrolled = await self.enrol(pending.applicant, "proof")
        return answers.activated() if is_enrolled else answers.not_yet()

    async def enrol(self, applicant: Applicant, vouched_by: Voucher) -> bool:
        """Write down that somebody vouched for a device; False when that does not suffice.

        Raises RefusedError 503.
        """
        try:
            entry = await self.ledger.enrol(applicant, vouched_by, self._clock.wall())
        except LedgerError as error:
            self._log.error("enrolment_not_written", error=error)
            raise RefusedError(
                "nobody can be enrolled now",
                CloseReason.AUTH_UNAVAILABLE,
                retry_after_s=RETRY_AFTER_S,
            ) from None
        if entry is None:
            return False
        self._counters.enrolments += 1
        self._log.info(
            "device_enrolled",
            device_id=applicant.device_id,
            vouched_by=vouched_by,
            address=applicant.address,
        )
        return True

    async def revoke(self, device_id: str) -> Entry:
        """Void a device's tokens and refuse it. Raises LedgerError; then it holds all the same."""
        self._log.info("device_revoked", device_id=device_id)
        return await self.ledger.revoke(device_id, self._clock.wall())

    async def forget(self, device_id: str) -> bool:
        """Make a device a stranger again; False if it was one. Raises LedgerError."""
        is_forgotten = await self.ledger.forget(device_id, self._clock.wall())
        if is_forgotten:
            self._log.info("device_forgotten", device_id=device_id)
        return is_forgotten

    def _proves(self, pending: Pending, proof: Proof) -> bool:
        known = self._devices.find(pending.applicant.device_id)
        key = known.key_of(proof.serial) if known is not None else b""
        revoked = self.ledger.is_revoked(pending.applicant.device_id, None)
        if not key or revoked or not pending.may_prove:
            return False
        if proof.holds(pending.challenge, key):
            return True
        pending.wrong_proofs += 1
        self._counters.enrolment_proofs_refused += 1
        self._log.warning("enrolment_proof_refused", device_id=pending.applicant.device_id)
        return False

    def _wait(self, applicant: Applicant) -> Pending:
        if not applicant.client_id:
            raise RefusedError("Client-Id is missing", CloseReason.BAD_REQUEST)
        pending, is_new = self.waiting.admit(applicant, self._clock.now())
        if is_new:
            self._counters.activations_begun += 1
            self._log.info(
                "device_waits_for_approval",
                device_id=applicant.device_id,
                board=applicant.board,
                address=applicant.address,
            )
        return pending

    def _issued(self, applicant: Applicant) -> str:
        if self._issuer is None:  # only the callback could have named one
            raise RefusedError("no token for this device", CloseReason.AUTH_UNAVAILABLE)
        issue_at = self.ledger.issue_at(applicant.device_id, self._clock.wall())
        return self._issuer.issue(applicant.device_id, applicant.client_id, issue_at).token

    def _take(self, throttle: Throttle, key: str) -> None:
        now = self._clock.now()
        if not throttle.take(key, now):
            raise RefusedError(
                "too many configuration requests",
                CloseReason.RATE_LIMITED,
                retry_after_s=math.ceil(throttle.wait_s(key, now)),
            )

    def _read_ids(self, request: Request) -> Identity:
        try:
            return self._ids.read(request)
        except RefusedError:
            self._take(self._by_address, address_key(request.address))
            raise

    def _check_rate(self, request: Request, identity: Identity) -> None:
        """Count a request; what strangers ask must not use up what an enrolled device may."""
        device = device_key(identity.device_id)
        if self.ledger.is_enrolled(Applicant(identity.device_id, identity.client_id)):
            self._take(self._by_device, device)
            return
        origin = address_key(request.address)
        self._take(self._by_address, origin)
        self._take(self._by_device, f"{device} {origin}")
