"""Keepline's own token, mode `signed`: bound to a device, with an end, naming its key.

    kl1.<key id>.<issued>.<expires>.<signature>

Times are whole seconds of the Unix epoch; `expires` is empty for a token without an end. The
signature is HMAC-SHA256 over all before it, a newline and the Device-Id, in base64url without
padding: the id itself travels in its own header, and a stolen token is of no use without it.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from math import ceil
from typing import TYPE_CHECKING, Final

from keepline.gateway.auth.claims import Claims, Fault
from keepline.gateway.auth.contract import IssuedToken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.gateway.auth.keys import Key, Keys

_TOKEN: Final = re.compile(
    r"(kl1\.([A-Za-z0-9_-]{1,32})\.([0-9]{1,11})\.([0-9]{0,11}))\.([A-Za-z0-9_-]{43})"
)


def sign(device_id: str, key: Key, now_wall: float, ttl_s: float | None) -> IssuedToken:
    """Return a token for `device_id` that is good for `ttl_s`, None for ever."""
    expires_at = None if ttl_s is None else ceil(now_wall + ttl_s)
    stem = f"kl1.{key.id}.{int(now_wall)}.{'' if expires_at is None else expires_at}"
    return IssuedToken(f"{stem}.{_signature(key, stem, device_id)}", expires_at)


def check(
    token: str, device_id: str, keys: Iterable[Key], now_wall: float, skew_s: float
) -> Claims | Fault:
    """Return what `token` claims; it is good before the second in which it expires."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return Fault.MALFORMED if token else Fault.MISSING
    stem, key_id, issued, expires, signature = parts.groups()
    key = next((each for each in keys if each.id == key_id), None)
    if key is None:
        return Fault.UNKNOWN_KEY
    if not hmac.compare_digest(signature, _signature(key, stem, device_id)):
        return Fault.FORGED
    issued_at, expires_at = float(issued), float(expires) if expires else None
    if expires_at is not None and now_wall >= expires_at:
        return Fault.EXPIRED
    if issued_at > now_wall + skew_s:
        return Fault.TOO_EARLY
    return Claims(issued_at, expires_at)


class SignedTokens:
    """The scheme of mode `signed`."""

    def __init__(self, keys: Keys[Key], *, ttl_s: float | None, skew_s: float) -> None:
        self._keys = keys
        self._ttl_s = ttl_s
        self._skew_s = skew_s

    def check(
        self,
        token: str,
        device_id: str,
        client_id: str,  # noqa: ARG002
        now_wall: float,
    ) -> Claims | Fault:
        """Return what the token claims. The Client-Id changes when a flash is erased."""
        return check(token, device_id, self._keys.at(now_wall), now_wall, self._skew_s)

    def issue(self, device_id: str, client_id: str, now_wall: float) -> IssuedToken:  # noqa: ARG002
        """Return a token signed with the first key."""
        return sign(device_id, self._keys.at(now_wall)[0], now_wall, self._ttl_s)


def _signature(key: Key, stem: str, device_id: str) -> str:
    # The stem has no newline, so what is signed can be read in one way only.
    signed = f"{stem}\n{device_id}".encode("utf-8", "surrogatepass")
    return _base64(hmac.digest(key.material, signed, "sha256"))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
