"""The enrolment policies: who is told at once, who has to be approved, who is refused."""

from __future__ import annotations

import hmac
import socket
from typing import TYPE_CHECKING, NamedTuple, Protocol

from keepline.errors import RefusedError
from keepline.gateway.enrolment.answers import read_host
from keepline.gateway.sockets import is_loopback
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.enrolment.allow_list import AllowList, Known
    from keepline.gateway.enrolment.applicant import Applicant
    from keepline.gateway.enrolment.ledger import Ledger
    from keepline.wire.handshake import Request

FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-real-ip"})
"""Headers of a proxy: then the one who asks is somebody else than this machine."""


class Verdict(NamedTuple):
    """What to do for who asks: `activate`, or hand a token out: `token`, None for ours."""

    activate: bool = False
    token: str | None = None


class Policy(Protocol):
    """Decides who is told where to connect."""

    activates: bool
    """Whether devices may be told to have themselves approved."""

    async def judge(self, applicant: Applicant, request: Request) -> Verdict:
        """Return what to do. Raises RefusedError 403, or 503 when it cannot be told now."""


class Open:
    """Everybody who asks, so only where nobody but this machine can ask, unless `insecure`."""

    activates = False

    def __init__(self, ledger: Ledger, *, insecure: bool) -> None:
        self._ledger = ledger
        self._insecure = insecure
        self._names = frozenset({"localhost", socket.gethostname().lower()})

    async def judge(self, applicant: Applicant, request: Request) -> Verdict:
        """Hand a token out. Raises RefusedError 403 for who may be somebody else."""
        if not self._insecure:
            self._check_from_here(request)
        if self._ledger.is_revoked(applicant.device_id, None):
            raise _refused()
        return Verdict()

    def _check_from_here(self, request: Request) -> None:
        if not FORWARDED.isdisjoint(request.headers) or not is_loopback(request.address):
            raise _refused("enrolment is open to this machine only")
        # A page whose name was made to lead here comes from this machine, too: DNS rebinding.
        name = read_host(request.headers.get("host", "")).name.strip("[]").removesuffix(".")
        if name not in self._names and not is_loopback(name):
            raise _refused("this machine is not called that: ask it as localhost")


class Approval:
    """Who was vouched for: by an operator, by the proof of a key, or by the file of devices.

    Others are told to have themselves approved; with `listed_only` none but those in the file.
    """

    activates = True

    def __init__(self, ledger: Ledger, devices: AllowList, *, listed_only: bool) -> None:
        self._ledger = ledger
        self._devices = devices
        self._listed_only = listed_only

    async def judge(self, applicant: Applicant, request: Request) -> Verdict:  # noqa: ARG002
        """Return what to do. Raises RefusedError 403 for who is revoked or not listed."""
        known = self._devices.find(applicant.device_id)
        if self._listed_only and known is None:
            raise _refused()
        listed = known is not None and _is_client(known, applicant)
        if self._ledger.is_revoked(applicant.device_id, None):
            # Whoever posts another client id learns nothing: that is answered as everybody's.
            if listed or self._ledger.is_barred(applicant):
                raise _refused()
        elif listed or self._ledger.is_enrolled(applicant):
            return Verdict()
        if self._listed_only and known is not None and known.client_digest and not known.key:
            raise _refused()
        return Verdict(activate=True)


def _is_client(known: Known, applicant: Applicant) -> bool:
    return bool(known.client_digest) and hmac.compare_digest(
        known.client_digest, applicant.client_digest
    )


def _refused(detail: str = "this device is not enrolled here") -> RefusedError:
    return RefusedError(detail, CloseReason.FORBIDDEN)
