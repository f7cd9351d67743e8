from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from keepline.gateway.auth.claims import Claims, Fault
from keepline.gateway.auth.keys import FixedKeys, Key
from keepline.gateway.auth.xiaozhi import XiaozhiTokens, check

NOW = 1_800_000_000
AGE_S = 30 * 86_400.0
NEW, OLD = Key("new", b"a-key-for-tests-1"), Key("old", b"a-key-for-tests-2")
DEVICE, CLIENT = "02:00:00:00:00:01", "3f2c1d7a-9f6e-4a53-9a51-0f0f5f0c7b11"


def theirs(key: bytes, client_id: str, device_id: str, issued: int) -> str:
    """Return a token as the Python server makes it, in its own words of the standard library."""
    signed = hmac.new(key, f"{client_id}|{device_id}|{issued}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(signed.digest()).decode().rstrip("=") + f".{issued}"


GOOD = theirs(NEW.material, CLIENT, DEVICE, NOW)
RIGHT = Claims(NOW, NOW + AGE_S + 1)


def checked(
    token: str, device_id: str = DEVICE, client_id: str = CLIENT, now: float = NOW
) -> Claims | Fault:
    keys = (NEW, OLD)
    return check(token, device_id, client_id, keys, now, max_age_s=AGE_S, skew_s=30.0)


def test_a_token_of_the_python_server_is_good() -> None:
    assert checked(GOOD) == Claims(NOW, NOW + AGE_S + 1)


def test_ours_is_the_same_as_theirs() -> None:
    scheme = XiaozhiTokens(FixedKeys((NEW, OLD)), max_age_s=AGE_S, skew_s=0.0)
    issued = scheme.issue(DEVICE, CLIENT, NOW + 0.9)
    assert issued.token == GOOD
    assert issued.expires_at == NOW + AGE_S + 1
    assert scheme.check(issued.token, DEVICE, CLIENT, NOW + 0.9) == Claims(NOW, NOW + AGE_S + 1)


@pytest.mark.parametrize(
    ("device_id", "client_id"),
    [
        ("02:00:00:00:00:02", CLIENT),
        (DEVICE, "other"),
        (DEVICE, ""),
        ("", CLIENT),
        (CLIENT, DEVICE),
    ],
)
def test_it_is_bound_to_both_ids(device_id: str, client_id: str) -> None:
    assert checked(GOOD, device_id, client_id) is Fault.FORGED


def test_ids_that_share_a_token_with_others_are_refused() -> None:
    shared = theirs(NEW.material, "a", "b|c", NOW)
    assert shared == theirs(NEW.material, "a|b", "c", NOW)
    assert checked(shared, "b|c", "a") is Fault.FORGED
    assert checked(shared, "c", "a|b") is Fault.FORGED


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [(AGE_S - 1, RIGHT), (AGE_S + 0.9, RIGHT), (AGE_S + 1, Fault.EXPIRED)],
)
def test_it_is_good_to_the_end_of_the_second_of_its_age(age_s: float, expected: object) -> None:
    assert checked(GOOD, now=NOW + age_s) == expected


@pytest.mark.parametrize(
    ("behind_s", "expected"), [(29.0, RIGHT), (30.0, RIGHT), (31.0, Fault.TOO_EARLY)]
)
def test_one_from_the_future_is_good_within_the_skew_only(
    behind_s: float, expected: object
) -> None:
    assert checked(GOOD, now=NOW - behind_s) == expected


def test_every_key_is_tried() -> None:
    assert isinstance(checked(theirs(OLD.material, CLIENT, DEVICE, NOW)), Claims)
    assert checked(theirs(b"another-key-for-tests", CLIENT, DEVICE, NOW)) is Fault.FORGED


def test_the_time_that_is_signed_is_the_time_that_counts() -> None:
    signature = GOOD.partition(".")[0]
    assert checked(f"{signature}.{NOW + 1}") is Fault.FORGED


@pytest.mark.parametrize(
    "token",
    [
        *(GOOD[:-1] + "x", GOOD[1:], GOOD + "\n", GOOD + ".1", GOOD.replace(".", "=."), "a.b.c"),
        *("." + str(NOW), GOOD.partition(".")[0], "é" * 43 + f".{NOW}", "x" * 100_000, "\udcff"),
        *(f"{GOOD.partition('.')[0]}.-1", f"{GOOD.partition('.')[0]}.1e9"),
    ],
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    assert checked(token) is Fault.MALFORMED


def test_no_token_is_missing_one() -> None:
    assert checked("") is Fault.MISSING


def test_ids_of_any_characters_are_judged_without_an_error() -> None:
    for odd in ("é", "\udcff", "\x00", "x" * 8_000):
        assert checked(GOOD, odd) is Fault.FORGED
        assert checked(GOOD, DEVICE, odd) is Fault.FORGED
