"""From the settings to who judges and who issues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.errors import StartError
from keepline.gateway.auth.credentials import Ids
from keepline.gateway.auth.static import NO_TOKEN, OpenDoor, StaticIssuer, StaticToken
from keepline.gateway.sockets import is_loopback

if TYPE_CHECKING:
    from keepline.gateway.auth.contract import Authenticator, TokenIssuer
    from keepline.settings import Settings
    from keepline.settings.auth import Auth


def make_authenticator(settings: Settings) -> Authenticator:
    """Return who judges devices. Raises StartError for an open door to everybody."""
    ids = Ids(settings.auth)
    mode = chosen_mode(settings.auth)
    if mode == "static":
        return StaticToken(_token(settings.auth), ids)
    if mode == "none":
        _check_open_door(settings)
        return OpenDoor(ids)
    raise StartError(f"auth.mode {mode} is not there yet", "choose static")


def make_issuer(settings: Settings) -> TokenIssuer | None:
    """Return who makes tokens for `make_authenticator`'s judge; None where others make them."""
    if chosen_mode(settings.auth) == "static":
        return StaticIssuer(_token(settings.auth))
    return StaticIssuer(NO_TOKEN)


def chosen_mode(auth: Auth) -> str:
    """Return the mode, with `auto` made up."""
    if auth.mode != "auto":
        return auth.mode
    return "none" if auth.token is None else "static"


def _token(auth: Auth) -> str:
    if auth.token is None:
        raise StartError(
            "auth.mode is static, and no token is set",
            "give devices a token with --token or KEEPLINE_AUTH__TOKEN",
        )
    return auth.token


def _check_open_door(settings: Settings) -> None:
    if settings.auth.insecure or is_loopback(settings.server.host):
        return
    raise StartError(
        f"no token is set, and {settings.server.host} can be reached by everybody",
        "give devices a token with --token, or listen on this machine only with --host 127.0.0.1",
    )
