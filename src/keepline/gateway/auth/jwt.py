"""JSON Web Tokens, mode `jwt`: HS256, RS256, ES256 and EdDSA, each key with its one algorithm.

PyJWT does the signatures. The claims are judged here, because it would read the clock itself.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import jwt
import msgspec

from keepline.errors import StartError
from keepline.gateway.auth.claims import Claims, Fault
from keepline.gateway.auth.contract import IssuedToken
from keepline.gateway.auth.keys import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.gateway.auth.keys import Key, Keys

HMAC_KEY_BYTES: Final = 32  # RFC 7518 §3.2
RSA_KEY_BITS: Final = 2_048  # RFC 7518 §3.3

SIGNING_HINT: Final = "put a private key first, and give auth.token_ttl_s a number"

_JWS: Final = jwt.PyJWS(algorithms=list(ALGORITHMS))


class JwtKey(NamedTuple):
    """A key made ready; `signing` is None when only its public half is known."""

    id: str
    algorithm: str
    verifying: Any
    signing: Any | None

    def __repr__(self) -> str:
        return f"JwtKey({self.id!r}, {self.algorithm})"


class _Head(msgspec.Struct):
    alg: str
    kid: str | None = None


class _Body(msgspec.Struct):
    exp: float
    iat: float | None = None
    nbf: float | None = None
    sub: str | None = None
    device_id: str | None = None
    iss: str | None = None
    aud: str | list[str] | None = None


class JwtRules(NamedTuple):
    """What a token must fit besides its key; "" asks for nothing."""

    issuer: str = ""
    audience: str = ""
    skew_s: float = 0.0


_head: Final = msgspec.json.Decoder(_Head)
_body: Final = msgspec.json.Decoder(_Body)


def prepare(key: Key) -> JwtKey:
    """Return `key` ready for use. Raises StartError when it does not fit its algorithm."""
    algorithm = jwt.get_algorithm_by_name(key.algorithm)
    try:
        ready = algorithm.prepare_key(key.material)
    except (jwt.InvalidKeyError, ValueError, TypeError):
        raise StartError(
            f"key {key.id} is no key for {key.algorithm}",
            "RS256, ES256 (P-256) and EdDSA (Ed25519) take a pem without a password",
        ) from None
    if key.algorithm == "HS256":
        if len(key.material) < HMAC_KEY_BYTES:
            raise StartError(
                f"key {key.id} is too short for HS256: {len(key.material)} bytes",
                f"it takes {HMAC_KEY_BYTES} bytes or more; `keepline token` prints as many",
            )
        return JwtKey(key.id, key.algorithm, ready, ready)
    if getattr(ready, "key_size", RSA_KEY_BITS) < RSA_KEY_BITS and key.algorithm == "RS256":
        raise StartError(f"key {key.id} is too short for RS256", f"{RSA_KEY_BITS} bits or more")
    if hasattr(ready, "public_key"):
        return JwtKey(key.id, key.algorithm, ready.public_key(), ready)
    return JwtKey(key.id, key.algorithm, ready, None)


def sign(
    device_id: str, key: JwtKey, now_wall: float, ttl_s: float, rules: JwtRules
) -> IssuedToken:
    """Return a token whose `sub` is the device. The key must be able to sign."""
    assert key.signing is not None
    expires_at = ceil(now_wall + ttl_s)
    body: dict[str, Any] = {"sub": device_id, "iat": int(now_wall), "exp": expires_at}
    if rules.issuer:
        body["iss"] = rules.issuer
    if rules.audience:
        body["aud"] = rules.audience
    text = _JWS.encode(
        msgspec.json.encode(body), key.signing, algorithm=key.algorithm, headers={"kid": key.id}
    )
    return IssuedToken(text, expires_at)


def check(
    token: str, device_id: str, keys: Iterable[JwtKey], now_wall: float, rules: JwtRules
) -> Claims | Fault:
    """Return what `token` claims.

    A token that names its key is held against that one; without `kid` every key of its algorithm
    is tried. The algorithm is the key's own and never the token's choice.
    """
    if not token:
        return Fault.MISSING
    head = _read_head(token)
    if head is None:
        return Fault.MALFORMED
    fitting = [key for key in keys if head.kid in (None, key.id) and key.algorithm == head.alg]
    if not fitting:
        return Fault.UNKNOWN_KEY
    for key in fitting:
        try:
            payload = _JWS.decode(token, key.verifying, algorithms=[key.algorithm])
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError):
            return Fault.MALFORMED
        return _judged(payload, device_id, now_wall, rules)
    return Fault.FORGED


class JwtTokens:
    """The scheme of mode `jwt`."""

    def __init__(self, keys: Keys[JwtKey], rules: JwtRules, *, ttl_s: float | None) -> None:
        self._keys = keys
        self._rules = rules
        self._ttl_s = ttl_s

    def check(
        self,
        token: str,
        device_id: str,
        client_id: str,  # noqa: ARG002
        now_wall: float,
    ) -> Claims | Fault:
        """Return what the token claims."""
        return check(token, device_id, self._keys.at(now_wall), now_wall, self._rules)

    def can_issue(self, now_wall: float) -> bool:
        """Whether the first key can sign, and tokens have an end, as a JWT of ours must."""
        return self._keys.at(now_wall)[0].signing is not None and self._ttl_s is not None

    def issue(self, device_id: str, client_id: str, now_wall: float) -> IssuedToken:  # noqa: ARG002
        """Return a token signed with the first key. Raises StartError when that is impossible."""
        key = self._keys.at(now_wall)[0]
        if key.signing is None or self._ttl_s is None:
            raise StartError("the first key cannot sign tokens with an end", SIGNING_HINT)
        return sign(device_id, key, now_wall, self._ttl_s, self._rules)


def _read_head(token: str) -> _Head | None:
    first = token.partition(".")[0]
    try:
        return _head.decode(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None


def _judged(payload: bytes, device_id: str, now_wall: float, rules: JwtRules) -> Claims | Fault:
    try:
        body = _body.decode(payload)
    except (ValueError, RecursionError, msgspec.DecodeError):
        return Fault.MALFORMED
    bound_to = body.sub if body.device_id is None else body.device_id
    if bound_to != device_id:
        return Fault.OTHER_DEVICE
    audience = [body.aud] if isinstance(body.aud, str) else body.aud or []
    # Who is named must be us (RFC 7519 §4.1.3), also where no name of ours is set.
    if bool(rules.audience) != bool(audience) or (audience and rules.audience not in audience):
        return Fault.OTHER_AUDIENCE
    if rules.issuer and body.iss != rules.issuer:
        return Fault.OTHER_AUDIENCE
    if now_wall >= body.exp:
        return Fault.EXPIRED
    if max(body.iat or 0.0, body.nbf or 0.0) > now_wall + rules.skew_s:
        return Fault.TOO_EARLY
    return Claims(body.iat, body.exp)
