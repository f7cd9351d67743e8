"""Who is let in."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Final, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field

from keepline.settings.section import Count, Seconds, Section, Texts, Token

# What a device may call itself: MAC addresses and UUIDs fit, log lines and paths do not.
ANY_ID: Final = r"[A-Za-z0-9][A-Za-z0-9:._-]{0,127}"
ID_PATTERNS: Final = {
    "any": ANY_ID,
    "mac": r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}",
    "uuid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}


def _pattern(value: str) -> str:
    try:
        re.compile(ID_PATTERNS.get(value, value))
    except re.error as error:
        raise ValueError(f"it takes a regular expression: {error}") from None
    return value


IdPattern = Annotated[str, AfterValidator(_pattern)]
"""`any`, `mac`, `uuid`, or a regular expression for the whole id."""

Mode = Literal["auto", "static", "signed", "jwt", "xiaozhi", "callback", "upstream", "none"]


class Auth(Section):
    """Who is let in; docs/authentication.md explains it.

    `mode` says how: `auto` is `static` where `token` is set, `signed` where there are
    keys, else `none`. `keys` are `id:secret`, or in `key_file`, which is read again when it
    changes: the first signs, all verify.
    `token_ttl_s` is how long issued tokens last, `token_max_age_s` how long those of the xiaozhi
    server, `clock_skew_s` how far in the future one may have been issued. `on_expiry` is about
    devices that are connected when their token expires: `close` waits for the end of a
    conversation, `expiry_grace_s` at most. `device_ids` and `client_ids` are `any`, `mac`, `uuid`
    or a regular expression, `origins` the web pages that may connect. After `device_failures` of
    a device from one address it may fail once every `device_refill_s`, after `address_failures`
    of an address once every `address_refill_s`. The `callback_` settings are about
    the server that is asked in mode `callback`. In mode `upstream` the voice server that a device
    is passed on to decides. `insecure` lets mode `none` serve everybody.
    """

    mode: Mode = "auto"
    token: Token | None = Field(default=None, repr=False)
    keys: Texts = Field(default=(), repr=False)
    key_file: Path | None = None
    token_ttl_s: Seconds | None = 2_592_000.0
    token_max_age_s: Seconds = 2_592_000.0
    clock_skew_s: Annotated[float, Ge(0), Le(31_536_000)] = 30.0
    jwt_issuer: str = ""
    jwt_audience: str = ""
    on_expiry: Literal["close", "keep"] = "close"
    expiry_grace_s: Annotated[float, Ge(0), Le(31_536_000)] = 60.0
    device_ids: IdPattern = "any"
    client_ids: IdPattern = "any"
    origins: Texts = ()
    device_failures: Count = 5
    device_refill_s: Seconds = 30.0
    address_failures: Count = 100
    address_refill_s: Seconds = 1.0
    callback_url: str = Field(default="", repr=False)
    callback_method: Literal["POST", "GET"] = "POST"
    callback_timeout_s: Seconds = 3.0
    callback_requests: Count = 32
    callback_cache_s: Annotated[float, Ge(0), Le(31_536_000)] = 30.0
    callback_refusal_cache_s: Annotated[float, Ge(0), Le(31_536_000)] = 5.0
    callback_failures: Count = 5
    callback_pause_s: Seconds = 10.0
    insecure: bool = False
