"""From the settings to who judges and who issues."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from keepline.clock import SystemClock
from keepline.errors import StartError
from keepline.gateway.auth.bearer import BearerToken
from keepline.gateway.auth.credentials import Ids
from keepline.gateway.auth.keys import FixedKeys, KeyFile, parse_keys
from keepline.gateway.auth.static import NO_TOKEN, OpenDoor, StaticIssuer, StaticToken
from keepline.gateway.auth.tokens import SignedTokens
from keepline.gateway.auth.xiaozhi import XiaozhiTokens
from keepline.gateway.sockets import only_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.clock import Clock
    from keepline.gateway.auth.claims import Scheme
    from keepline.gateway.auth.contract import Authenticator, TokenIssuer
    from keepline.gateway.auth.keys import Key, Keys
    from keepline.log import Log
    from keepline.monitor.metrics import Counters
    from keepline.settings import Settings
    from keepline.settings.auth import Auth

    KeyT = TypeVar("KeyT")


def make_authenticator(
    settings: Settings,
    *,
    clock: Clock | None = None,
    log: Log | None = None,
    counters: Counters | None = None,
) -> Authenticator:
    """Return who judges devices; the system's clock is the default.

    Raises StartError for an open door to everybody, and for missing or unusable keys.
    """
    clock = clock or SystemClock()
    auth = settings.auth
    ids = Ids(auth)
    match chosen_mode(auth):
        case "static":
            return StaticToken(_token(auth), ids)
        case "none":
            _check_open_door(settings)
            return OpenDoor(ids)
        case "upstream":
            if not settings.upstream.urls:
                raise StartError(
                    "auth.mode is upstream, and there is no upstream",
                    "give the voice server with --upstream, or choose another auth.mode",
                )
            if settings.relay.token is not None:
                raise StartError(
                    "auth.mode is upstream, and relay.token is shown in place of devices' tokens",
                    "leave relay.token out: upstreams could tell no device from another by it",
                )
            return OpenDoor(ids)  # the relay asks at the door behind
        case "callback":
            # Its library takes 100 ms to import, and most never need it.
            from keepline.gateway.auth.callback import Callback  # noqa: PLC0415

            return Callback(auth, ids, clock=clock, log=log, counters=counters)
        case mode:
            return BearerToken(_scheme(mode, auth, log), ids, clock.wall)


def make_issuer(
    settings: Settings, *, clock: Clock | None = None, log: Log | None = None
) -> TokenIssuer | None:
    """Return who makes the tokens that `make_authenticator`'s judge lets in.

    None where somebody else makes them: in mode `callback`, and in mode `jwt` when the first key
    is a public one. Raises StartError for missing or unusable keys.
    """
    auth = settings.auth
    match chosen_mode(auth):
        case "static":
            return StaticIssuer(_token(auth))
        case "none":
            return StaticIssuer(NO_TOKEN)
        case "callback" | "upstream":
            return None
        case "jwt":
            return _jwt_issuer(auth, clock or SystemClock(), log)
        case mode:
            return _scheme(mode, auth, log)


def make_scheme(settings: Settings) -> Scheme | None:
    """Return the kind of token that proves itself, None in modes without one.

    Raises StartError for missing or unusable keys.
    """
    mode = chosen_mode(settings.auth)
    return _scheme(mode, settings.auth, None) if mode in {"signed", "jwt", "xiaozhi"} else None


def chosen_mode(auth: Auth) -> str:
    """Return the mode, with `auto` made up."""
    if auth.mode != "auto":
        return auth.mode
    if auth.token is not None:
        return "static"
    return "signed" if auth.keys or auth.key_file is not None else "none"


def _scheme(mode: str, auth: Auth, log: Log | None) -> Scheme:
    if mode == "signed":
        return SignedTokens(_secrets(auth, log), ttl_s=auth.token_ttl_s, skew_s=auth.clock_skew_s)
    if mode == "xiaozhi":
        return XiaozhiTokens(
            _secrets(auth, log), max_age_s=auth.token_max_age_s, skew_s=auth.clock_skew_s
        )
    # Its library takes 60 ms to import, and most never need it.
    from keepline.gateway.auth.jwt import JwtRules, JwtTokens, prepare  # noqa: PLC0415

    rules = JwtRules(auth.jwt_issuer, auth.jwt_audience, auth.clock_skew_s)
    return JwtTokens(_keys(auth, prepare, log), rules, ttl_s=auth.token_ttl_s)


def _jwt_issuer(auth: Auth, clock: Clock, log: Log | None) -> TokenIssuer | None:
    from keepline.gateway.auth.jwt import JwtTokens  # noqa: PLC0415 - as above

    scheme = _scheme("jwt", auth, log)
    assert isinstance(scheme, JwtTokens)
    return scheme if scheme.can_issue(clock.wall()) else None


def _secrets(auth: Auth, log: Log | None) -> Keys[Key]:
    return _keys(auth, _secret, log)


def _secret(key: Key) -> Key:
    if key.algorithm != "HS256":
        raise StartError(
            f"key {key.id} is for {key.algorithm}", "only mode jwt takes keys with a pem"
        )
    return key


def _keys(auth: Auth, prepare: Callable[[Key], KeyT], log: Log | None) -> Keys[KeyT]:
    if auth.keys and auth.key_file is not None:
        raise StartError("auth.keys and auth.key_file are both set", "set one of them")
    if auth.key_file is not None:
        return KeyFile(auth.key_file, prepare, log)
    if not auth.keys:
        raise StartError(
            f"auth.mode is {auth.mode}, and there are no keys",
            "set KEEPLINE_AUTH__KEYS=id:secret (`keepline token` prints a secret) or auth.key_file",
        )
    return FixedKeys([prepare(key) for key in parse_keys(auth.keys)])


def _token(auth: Auth) -> str:
    if auth.token is None:
        raise StartError(
            "auth.mode is static, and no token is set",
            "give devices a token with --token or KEEPLINE_AUTH__TOKEN",
        )
    return auth.token


def _check_open_door(settings: Settings) -> None:
    if settings.auth.insecure or only_this_machine(settings):
        return
    problem = "no token is set" if settings.auth.mode == "auto" else "auth.mode is none"
    raise StartError(
        f"{problem}, and {settings.server.host} can be reached by everybody",
        "give each device a token of its own with --data DIR, or all of them one with --token, or"
        " listen on this machine only with --host 127.0.0.1",
    )
