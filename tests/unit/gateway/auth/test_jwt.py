from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from keepline.errors import StartError
from keepline.gateway.auth.claims import Claims, Fault
from keepline.gateway.auth.jwt import JwtKey, JwtRules, JwtTokens, check, prepare, sign
from keepline.gateway.auth.keys import FixedKeys, Key

NOW = 1_800_000_000.0
DEVICE = "02:00:00:00:00:01"
SECRET = b"0123456789abcdef0123456789abcdef"
RULES = JwtRules(skew_s=30.0)
GOOD = Claims(NOW, NOW + 60)


def private_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def public_pem(key: Any) -> bytes:
    public = key.public_key()
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


RSA, EC, ED = (
    rsa.generate_private_key(65_537, 2_048),
    ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate(),
)
PRIVATE = {
    "HS256": SECRET,
    "RS256": private_pem(RSA),
    "ES256": private_pem(EC),
    "EdDSA": private_pem(ED),
}
PUBLIC = {"RS256": public_pem(RSA), "ES256": public_pem(EC), "EdDSA": public_pem(ED)}
HS = prepare(Key("hs", SECRET))


def body(**changes: object) -> dict[str, object]:
    claims = {"sub": DEVICE, "iat": int(NOW), "exp": int(NOW) + 60, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def token(claims: object, headers: dict[str, Any] | None = None, secret: bytes = SECRET) -> str:
    """Return a token as somebody else's library makes it."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, secret, "HS256", headers={"kid": "hs", **(headers or {})})


def raw(header: bytes, payload: bytes = b"{}", signature: bytes = b"") -> str:
    parts = (header, payload, signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def checked(
    text: str,
    *keys: JwtKey,
    device_id: str = DEVICE,
    now: float = NOW,
    rules: JwtRules = RULES,
) -> Claims | Fault:
    return check(text, device_id, keys or (HS,), now, rules)


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_token_of_each_algorithm_is_good_for_its_device(algorithm: str) -> None:
    key = prepare(Key("k", PRIVATE[algorithm], algorithm))
    issued = sign(DEVICE, key, NOW, 60.0, RULES)
    assert issued.expires_at == NOW + 60
    assert checked(issued.token, key) == GOOD
    assert checked(issued.token, key, device_id="other") is Fault.OTHER_DEVICE
    head, payload, signature = issued.token.split(".")
    flipped = ("A" if signature[9] != "A" else "B").join((signature[:9], signature[10:]))
    assert checked(f"{head}.{payload}.{flipped}", key) is Fault.FORGED


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_a_public_key_verifies_and_does_not_sign(algorithm: str) -> None:
    private = prepare(Key("k", PRIVATE[algorithm], algorithm))
    public = prepare(Key("k", PUBLIC[algorithm], algorithm))
    assert public.signing is None
    assert checked(sign(DEVICE, private, NOW, 60.0, RULES).token, public) == GOOD


def test_the_issuer_s_own_library_reads_what_we_issue() -> None:
    text = sign(DEVICE, HS, NOW, 60.0, JwtRules("us", "devices")).token
    options: Any = {"verify_exp": False, "verify_iat": False}
    read = jwt.decode(text, SECRET, ["HS256"], audience="devices", issuer="us", options=options)
    assert read == body(iss="us", aud="devices")
    assert jwt.get_unverified_header(text)["kid"] == "hs"


# -- algorithms -----------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_a_public_key_is_no_secret_for_hs256(algorithm: str) -> None:
    """The classic confusion: signed with the published key, said to be HMAC."""
    key = prepare(Key("k", PUBLIC[algorithm], algorithm))
    stem = ".".join(raw(b'{"alg":"HS256","kid":"k"}', json.dumps(body()).encode()).split(".")[:2])
    signature = hmac.digest(PUBLIC[algorithm], stem.encode(), hashlib.sha256)
    text = f"{stem}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert checked(text, key) is Fault.UNKNOWN_KEY
    assert checked(text, key, HS) is Fault.UNKNOWN_KEY


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS512", "hs256", "RS256", "ES256K"])
@pytest.mark.parametrize("kid", [None, "hs"])
def test_an_algorithm_that_is_not_the_key_s_own_finds_no_key(alg: str, kid: str | None) -> None:
    header = {"alg": alg, **({"kid": kid} if kid else {})}
    text = raw(json.dumps(header).encode(), json.dumps(body()).encode())
    assert checked(text) is Fault.UNKNOWN_KEY
    assert checked(text + "AAAA") is Fault.UNKNOWN_KEY


def test_an_algorithm_named_twice_is_not_chosen_by_the_token() -> None:
    for header in (b'{"alg":"HS256","alg":"none"}', b'{"alg":"none","alg":"HS256"}'):
        assert isinstance(checked(raw(header, json.dumps(body()).encode())), Fault)


@pytest.mark.parametrize(
    ("algorithm", "material"),
    [
        *(("RS256", PUBLIC["ES256"]), ("ES256", PUBLIC["RS256"]), ("EdDSA", PUBLIC["ES256"])),
        *(("ES256", PUBLIC["EdDSA"]), ("RS256", b"no pem"), ("ES256", b""), ("EdDSA", SECRET)),
        ("HS256", PUBLIC["RS256"]),
        ("ES256", public_pem(ec.generate_private_key(ec.SECP384R1()))),
        (
            "RS256",
            RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")),
        ),
    ],
)
def test_a_key_that_does_not_fit_its_algorithm_is_refused(algorithm: str, material: bytes) -> None:
    with pytest.raises(StartError) as failed:
        prepare(Key("k", material, algorithm))
    assert "PEM" not in failed.value.problem
    assert failed.value.hint


def test_short_keys_are_refused() -> None:
    with pytest.raises(StartError, match="too short for HS256: 31 bytes"):
        prepare(Key("k", SECRET[:31]))
    with pytest.raises(StartError, match="too short for RS256"):
        prepare(Key("k", private_pem(rsa.generate_private_key(65_537, 1_024)), "RS256"))


def test_a_key_shows_nothing_of_itself() -> None:
    assert repr(HS) == "JwtKey('hs', HS256)"


# -- keys -----------------------------------------------------------------------------------


def test_all_keys_verify_and_the_named_one_only() -> None:
    other = prepare(Key("other", b"x" * 32))
    assert checked(token(body()), other, HS) == GOOD
    assert checked(token(body()), other) is Fault.UNKNOWN_KEY
    assert checked(token(body(), {"kid": "other"}), other, HS) is Fault.FORGED
    assert checked(token(body(), secret=b"y" * 32), other, HS) is Fault.FORGED


def test_a_token_that_names_no_key_is_held_against_all_of_its_algorithm() -> None:
    text = jwt.PyJWS().encode(json.dumps(body()).encode(), SECRET, "HS256")
    other = prepare(Key("other", b"x" * 32))
    asymmetric = prepare(Key("ec", PUBLIC["ES256"], "ES256"))
    assert checked(text, asymmetric, other, HS) == GOOD
    assert checked(text, asymmetric, other) is Fault.FORGED
    assert checked(text, asymmetric) is Fault.UNKNOWN_KEY


@pytest.mark.parametrize("kid", ["", "../hs", "HS", "x" * 2_000])
def test_a_key_that_is_not_there_is_not_guessed(kid: str) -> None:
    assert checked(token(body(), {"kid": kid})) is Fault.UNKNOWN_KEY


# -- claims ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [(NOW + 59, GOOD), (NOW + 59.9, GOOD), (NOW + 60, Fault.EXPIRED), (NOW + 61, Fault.EXPIRED)],
)
def test_a_token_is_good_before_it_expires(now: float, expected: object) -> None:
    assert checked(token(body()), now=now) == expected


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize(
    ("ahead_s", "is_good"), [(29, True), (30, True), (30.5, False), (31, False), (3_600, False)]
)
def test_a_token_from_the_future_is_good_within_the_skew(
    claim: str, ahead_s: float, *, is_good: bool
) -> None:
    answer = checked(token(body(**{claim: NOW + ahead_s, "exp": NOW + 9_999})))
    assert isinstance(answer, Claims) if is_good else answer is Fault.TOO_EARLY


@pytest.mark.parametrize(
    "changes",
    [
        *({"exp": None}, {"exp": "1900000000"}, {"exp": True}, {"exp": []}, {"iat": "x"}),
        *({"nbf": "x"}, {"nbf": True}, {"sub": 3}, {"device_id": ["a"]}, {"aud": 3}, {"iss": 1}),
    ],
)
def test_claims_of_a_wrong_kind_are_malformed(changes: dict[str, object]) -> None:
    assert checked(token(body(**changes))) is Fault.MALFORMED


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b"3", b"{", b"\xff", b'{"exp":1e999}', b"[" * 2_900]
)
def test_a_payload_that_is_no_object_of_claims_is_malformed(payload: bytes) -> None:
    assert checked(token(payload)) is Fault.MALFORMED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sub": "other"}, Fault.OTHER_DEVICE),
        ({"sub": None}, Fault.OTHER_DEVICE),
        ({"sub": ""}, Fault.OTHER_DEVICE),
        ({"sub": "customer 7", "device_id": DEVICE}, GOOD),
        ({"sub": None, "device_id": DEVICE}, GOOD),
        ({"device_id": "other"}, Fault.OTHER_DEVICE),
        ({"device_id": ""}, Fault.OTHER_DEVICE),
    ],
)
def test_sub_or_device_id_binds_it_to_the_device(
    changes: dict[str, object], expected: object
) -> None:
    assert checked(token(body(**changes))) == expected


def test_a_token_without_a_device_is_good_for_none() -> None:
    assert checked(token(body(sub=None)), device_id="") is Fault.OTHER_DEVICE


@pytest.mark.parametrize(
    ("changes", "rules", "expected"),
    [
        ({}, JwtRules("us", "devices"), Fault.OTHER_AUDIENCE),
        ({"iss": "us", "aud": "devices"}, JwtRules("us", "devices"), GOOD),
        ({"iss": "us", "aud": ["web", "devices"]}, JwtRules("us", "devices"), GOOD),
        ({"iss": "us", "aud": ["web"]}, JwtRules("us", "devices"), Fault.OTHER_AUDIENCE),
        ({"iss": "us", "aud": []}, JwtRules("us", "devices"), Fault.OTHER_AUDIENCE),
        ({"iss": "them", "aud": "devices"}, JwtRules("us", "devices"), Fault.OTHER_AUDIENCE),
        ({"aud": "devices"}, JwtRules(), Fault.OTHER_AUDIENCE),
        ({"aud": ["web"]}, JwtRules(), Fault.OTHER_AUDIENCE),
        ({"aud": ""}, JwtRules(), Fault.OTHER_AUDIENCE),
        ({"iss": "them"}, JwtRules(), GOOD),
    ],
)
def test_issuer_and_audience_are_matched(
    changes: dict[str, object], rules: JwtRules, expected: object
) -> None:
    assert checked(token(body(**changes)), rules=rules) == expected


# -- form -----------------------------------------------------------------------------------


def test_no_part_of_a_token_can_be_left_out() -> None:
    text = token(body())
    assert checked("") is Fault.MISSING
    for length in range(1, len(text)):
        assert isinstance(checked(text[:length]), Fault)
    assert isinstance(checked(text + ".x"), Fault)


@pytest.mark.parametrize(
    "text",
    [
        *("x", "a.b.c", "...", "é.é.é", "\udcff", "x" * 100_000, raw(b"[]"), raw(b"{}"), raw(b"3")),
        *(raw(b'{"alg":3}'), raw(b'{"alg":"HS256","kid":3}'), raw(b"[" * 3_000), raw(b"\xff")),
        raw(b'{"alg":' + b"[" * 3_000),
        raw(b'{"other":' + b"[" * 3_000),
        token(body(), {"crit": ["exp"], "exp": 1}),
        token(body(), {"b64": False, "crit": ["b64"]}),
        token(body()).replace(".", ".."),
    ],
)
def test_what_is_no_token_is_malformed(text: str) -> None:
    assert checked(text) is Fault.MALFORMED


# -- the scheme -----------------------------------------------------------------------------


def test_the_first_key_signs() -> None:
    keys = FixedKeys((HS, prepare(Key("other", b"x" * 32))))
    scheme = JwtTokens(keys, RULES, ttl_s=60.0)
    issued = scheme.issue(DEVICE, "client", NOW)
    assert jwt.get_unverified_header(issued.token)["kid"] == "hs"
    assert scheme.can_issue(NOW)
    assert scheme.check(issued.token, DEVICE, "any", NOW) == GOOD


@pytest.mark.parametrize("ttl_s", [None, 60.0])
def test_a_public_key_first_or_no_end_means_that_others_issue(ttl_s: float | None) -> None:
    public = prepare(Key("k", PUBLIC["ES256"], "ES256"))
    scheme = JwtTokens(FixedKeys((HS if ttl_s is None else public, HS)), RULES, ttl_s=ttl_s)
    assert not scheme.can_issue(NOW)
    with pytest.raises(StartError, match="cannot sign"):
        scheme.issue(DEVICE, "client", NOW)
