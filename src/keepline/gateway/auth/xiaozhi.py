"""The token of the Python xiaozhi server, so that both can share a key and a fleet.

    base64url(HMAC-SHA256(key, "<client id>|<device id>|<issued>")) without padding "." <issued>

It names no key and no end: every key is tried, and its age is judged.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from keepline.gateway.auth.claims import Claims, Fault
from keepline.gateway.auth.contract import IssuedToken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.gateway.auth.keys import Key, Keys

_TOKEN: Final = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,11})")
_SEPARATOR: Final = "|"


def sign(
    device_id: str, client_id: str, key: Key, now_wall: float, max_age_s: float
) -> IssuedToken:
    """Return a token as the Python server makes it."""
    issued = int(now_wall)
    return IssuedToken(
        f"{_signature(key, client_id, device_id, issued)}.{issued}", _end(issued, max_age_s)
    )


def check(
    token: str,
    device_id: str,
    client_id: str,
    keys: Iterable[Key],
    now_wall: float,
    *,
    max_age_s: float,
    skew_s: float,
) -> Claims | Fault:
    """Return what `token` claims; it is good up to the end of the second it is `max_age_s` old.

    An id with the separator in it is refused: `a|b` and `c` would share a token with `a` and
    `b|c`. So is a token from the future beyond `skew_s`, which would outlive its age.
    """
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return Fault.MALFORMED if token else Fault.MISSING
    if _SEPARATOR in device_id or _SEPARATOR in client_id:
        return Fault.FORGED
    signature, issued = parts[1], int(parts[2])
    right = False
    for key in keys:
        right |= hmac.compare_digest(signature, _signature(key, client_id, device_id, issued))
    if not right:
        return Fault.FORGED
    expires_at = _end(issued, max_age_s)
    if now_wall >= expires_at:
        return Fault.EXPIRED
    if issued > now_wall + skew_s:
        return Fault.TOO_EARLY
    return Claims(float(issued), expires_at)


class XiaozhiTokens:
    """The scheme of mode `xiaozhi`."""

    def __init__(self, keys: Keys[Key], *, max_age_s: float, skew_s: float) -> None:
        self._keys = keys
        self._max_age_s = max_age_s
        self._skew_s = skew_s

    def check(self, token: str, device_id: str, client_id: str, now_wall: float) -> Claims | Fault:
        """Return what the token claims; it is bound to both ids."""
        return check(
            token,
            device_id,
            client_id,
            self._keys.at(now_wall),
            now_wall,
            max_age_s=self._max_age_s,
            skew_s=self._skew_s,
        )

    def issue(self, device_id: str, client_id: str, now_wall: float) -> IssuedToken:
        """Return a token signed with the first key."""
        key = self._keys.at(now_wall)[0]
        return sign(device_id, client_id, key, now_wall, self._max_age_s)


def _end(issued: int, max_age_s: float) -> float:
    return issued + max_age_s + 1  # an age is counted in whole seconds


def _signature(key: Key, client_id: str, device_id: str, issued: int) -> str:
    signed = _SEPARATOR.join((client_id, device_id, str(issued)))
    digest = hmac.digest(key.material, signed.encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
