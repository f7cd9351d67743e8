"""Where devices and operators come in: ports, the certificate, and what they show."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING, Final

from keepline.app.alerting import DAY_S, EXPIRY_DAYS
from keepline.app.doctor.diagnosis import Diagnosis, ok, problem, warning
from keepline.errors import StartError
from keepline.gateway.auth.kept_key import keeps_key
from keepline.gateway.auth.making import chosen_mode, make_authenticator
from keepline.gateway.certificate_dates import validity
from keepline.gateway.sockets import is_loopback, only_this_machine, open_listeners
from keepline.gateway.tls import make_context

if TYPE_CHECKING:
    from keepline.settings import Settings

OF_DEVICES: Final = "devices' token"
LEAST_LENGTH: Final = 16
LEAST_DIFFERENT: Final = 8
OTHERS: Final = stat.S_IROTH | stat.S_IWOTH


def port(check: str, host: str, number: int, settings: Settings) -> Diagnosis:
    """Return whether a gateway could listen there."""
    server = settings.server
    try:
        opened = open_listeners(host, number, server.backlog, server.kernel_timeout_s)
    except StartError as error:
        in_use = getattr(error.__cause__, "errno", None) == errno.EADDRINUSE
        if in_use:
            return warning(
                check,
                f"{host}:{number} is in use",
                "nothing, if it is this gateway that runs already (`keepline monitor` asks it);"
                f" else {error.hint}",
            )
        return problem(check, error.problem, error.hint)
    for each in opened:
        each.close()
    return ok(check, f"{host}:{number} is free" if number else f"any on {host}")


def tls(settings: Settings, wall: float) -> Diagnosis:
    """Return whether what is shown to devices can be used, and for how long; `wall` is now."""
    certificate = settings.tls.certificate
    if certificate is None:
        return _without_tls(settings)
    try:
        make_context(settings.tls)
    except StartError as error:
        return problem("TLS", error.problem, error.hint)
    key = settings.tls.key or certificate
    dates = validity(certificate.read_text("ascii", errors="replace"))
    if dates is None:
        return warning("TLS", f"{certificate} does not say until when it is good", "look at it")
    begins, ends = ((moment - wall) / DAY_S for moment in dates)
    if begins > 0:
        return problem(
            "TLS", f"{certificate} is not good for another {begins:.1f} days", "is the clock right?"
        )
    if ends <= EXPIRY_DAYS:
        found = "has expired" if ends <= 0 else f"expires in {ends:.1f} days"
        return (problem if ends <= 0 else warning)(
            "TLS",
            f"{certificate} {found}",
            "renew it; a gateway that runs takes it within a minute",
        )
    if key.stat().st_mode & OTHERS:
        return warning("TLS", f"everybody on this machine can read {key}", f"chmod o= {key}")
    return ok("TLS", f"{certificate} is good for {ends:.0f} days")


def devices_token(settings: Settings) -> Diagnosis:
    """Return whether what devices show could be guessed."""
    auth, check = settings.auth, OF_DEVICES
    if keeps_key(settings):
        return ok(check, f"each has its own, signed with a key in {settings.data_dir}")
    try:
        make_authenticator(settings)
    except StartError as error:
        return problem(check, error.problem, error.hint)
    match chosen_mode(auth):
        case "none" if only_this_machine(settings):
            return ok(check, "none is asked for: only this machine can connect")
        case "none":
            return warning(
                check, "none is asked for: everybody is let in", "set auth.token (`keepline token`)"
            )
        case "static" if auth.token is not None:
            return _strength(check, auth.token, settings.server.host)
        case "signed" | "jwt" | "xiaozhi" if auth.keys:
            weakest = min((key.partition(":")[2] for key in auth.keys), key=_guessable)
            return _strength(check, weakest, settings.server.host)
        case mode:
            return ok(check, f"judged by auth.mode {mode}")


def operators_token(settings: Settings) -> Diagnosis:
    """Return whether what operators show could be guessed."""
    check, token = "operators' token", settings.admin.token
    if token is not None:
        return _strength(check, token, settings.admin.host)
    if is_loopback(settings.admin.host):
        return ok(check, "none is asked for: only this machine can connect")
    return problem(
        check,
        "none is set, and others can connect",
        "set admin.token (`keepline token` makes one), or admin.host to 127.0.0.1",
    )


def _without_tls(settings: Settings) -> Diagnosis:
    if is_loopback(settings.server.host):
        return ok("TLS", "none, and none is needed on this machine")
    if settings.proxy.header != "none":
        return ok("TLS", "none here: it is the proxy's in front")
    return warning(
        "TLS",
        "none: whoever listens on the way reads tokens and speech",
        "set tls.certificate, or put a proxy in front (docs/tls-and-proxies.md)",
    )


def _strength(check: str, token: str, host: str) -> Diagnosis:
    if _guessable(token) == (LEAST_LENGTH, LEAST_DIFFERENT):
        return ok(check, "long enough not to be guessed")
    found = f"shorter than {LEAST_LENGTH} characters, or much the same ones: it can be guessed"
    judged = warning if is_loopback(host) else problem
    return judged(check, found, "`keepline token` makes one that cannot")


def _guessable(token: str) -> tuple[int, int]:
    """Return what tells a weak token from a strong one; the least is the weakest."""
    return min(len(token), LEAST_LENGTH), min(len(set(token)), LEAST_DIFFERENT)
