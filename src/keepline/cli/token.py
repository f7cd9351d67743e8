"""`keepline token`: what devices show to be let in, made and looked at by hand."""

from __future__ import annotations

import hmac
import re
import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from keepline.cli.advice import advice
from keepline.cli.options import Assignments, Config, read_settings
from keepline.clock import SystemClock
from keepline.errors import RefusedError, StartError

if TYPE_CHECKING:
    from keepline.settings import Settings

_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhd])")
SECRET_BYTES: Final = 16


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(token)


def token(
    *,
    device: Annotated[
        str | None, typer.Option(metavar="ID", help="Make a token for this device only.")
    ] = None,
    client: Annotated[
        str, typer.Option(metavar="ID", help="Its Client-Id; mode xiaozhi needs it.")
    ] = "",
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long it is good: 30d, 12h, 90m, 45s or never."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="Say whether this one is good; - reads it from stdin."),
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Print a new random secret; with --device a device's own token, or whether one is good.

    A random one is for --token, or for a key in auth.keys. Tokens for a device are made and
    checked with the mode and keys of the settings. Exit status 1: it is not good.
    """
    with advice():
        if device is None:
            if client or expires is not None or check is not None:
                raise StartError("whose token?", "add --device ID")
            typer.echo(secrets.token_hex(SECRET_BYTES))
            return
        settings = read_settings(config, assignments)
        if check is None:
            typer.echo(issued(settings, device, client, expires))
            return
        if expires is not None:
            raise StartError("--check and --expires do not go together", "leave one of them out")
        text = sys.stdin.readline().strip() if check == "-" else check
        is_good, words = judged(settings, device, client, text)
    typer.echo(words)
    raise typer.Exit(0 if is_good else 1)


def issued(settings: Settings, device_id: str, client_id: str, expires: str | None) -> str:
    """Return a token for this device. Raises StartError."""
    from keepline.gateway.auth.credentials import Ids  # noqa: PLC0415 (others need not wait)
    from keepline.gateway.auth.making import chosen_mode, make_issuer  # noqa: PLC0415

    mode = chosen_mode(settings.auth)
    _check_mode(mode, client_id)
    try:
        Ids(settings.auth).check(device_id, client_id)
    except RefusedError as error:
        hint = "auth.device_ids and auth.client_ids say what is"
        raise StartError(
            f"no gateway with these settings lets it in: {error.detail}", hint
        ) from None
    if expires is not None:
        if mode not in {"signed", "jwt"}:
            raise StartError(
                f"tokens of auth.mode {mode} do not say when they expire", "leave --expires out"
            )
        auth = settings.auth.model_copy(update={"token_ttl_s": duration_s(expires)})
        settings = settings.model_copy(update={"auth": auth})
    issuer = make_issuer(settings)
    if issuer is None:
        raise StartError(
            "tokens cannot be made with these settings",
            "auth.mode jwt needs a private key first, and tokens that expire",
        )
    return issuer.issue(device_id, client_id, SystemClock().wall()).token


def judged(settings: Settings, device_id: str, client_id: str, text: str) -> tuple[bool, str]:
    """Return whether a token is good for this device, and that in words. Raises StartError."""
    from keepline.gateway.auth.claims import Fault  # noqa: PLC0415 (others need not wait)
    from keepline.gateway.auth.making import chosen_mode, make_scheme  # noqa: PLC0415

    mode = chosen_mode(settings.auth)
    _check_mode(mode, client_id)
    scheme = make_scheme(settings)
    if scheme is None:
        fleet = (settings.auth.token or "").encode()
        is_good = hmac.compare_digest(text.encode("utf-8", "surrogateescape"), fleet)
        return is_good, "valid: the token of the fleet" if is_good else "not the token of the fleet"
    claims = scheme.check(text, device_id, client_id, SystemClock().wall())
    if isinstance(claims, Fault):
        return False, claims.value
    if claims.expires_at is None:
        return True, "valid, never expires"
    until = datetime.fromtimestamp(claims.expires_at, UTC)
    return True, f"valid until {until:%Y-%m-%d %H:%M:%S} UTC"


def duration_s(text: str) -> float | None:
    """Return the seconds of `30d`, `12h`, `90m` or `45s`; None for `never`. Raises StartError."""
    if text == "never":
        return None
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise StartError(f"--expires cannot be {text!r}", "write 30d, 12h, 90m, 45s or never")
    return float(int(parts[1]) * _UNIT_S[parts[2]])


def _check_mode(mode: str, client_id: str) -> None:
    if mode in {"none", "callback"}:
        knows = "asks for no token" if mode == "none" else "leaves tokens to the callback"
        raise StartError(
            f"auth.mode {mode} {knows}",
            "set auth.mode to signed and KEEPLINE_AUTH__KEYS=id:secret, for example",
        )
    if mode == "xiaozhi" and not client_id:
        raise StartError("tokens of auth.mode xiaozhi are bound to a client", "add --client ID")
