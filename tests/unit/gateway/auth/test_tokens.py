from __future__ import annotations

import pytest

from keepline.gateway.auth.claims import Claims, Fault
from keepline.gateway.auth.keys import FixedKeys, Key
from keepline.gateway.auth.tokens import SignedTokens, check, sign

NOW = 1_800_000_000.0
NEW, OLD = Key("new", b"n" * 32), Key("old", b"o" * 32)
KEYS = (NEW, OLD)
DEVICE = "02:00:00:00:00:01"
GOOD = Claims(NOW, NOW + 60)


def token(ttl_s: float | None = 60.0, key: Key = NEW, device_id: str = DEVICE) -> str:
    return sign(device_id, key, NOW, ttl_s).token


def checked(text: str, device_id: str = DEVICE, now: float = NOW) -> Claims | Fault:
    return check(text, device_id, KEYS, now, skew_s=30.0)


def test_a_token_is_good_for_its_device() -> None:
    assert checked(token()) == GOOD


def test_the_token_s_form_is_kept() -> None:
    """Devices hold such tokens in their flash: a change of the form would lock them all out."""
    assert token() == ("kl1.new.1800000000.1800000060.H1WIvBQeUkp9D_9o5jhfSF2zNgKTcOYVUlZKi_ESVxA")


@pytest.mark.parametrize("other", ["", "02:00:00:00:00:02", DEVICE.upper() + "A", DEVICE + "\n"])
def test_a_token_is_good_for_no_other_device(other: str) -> None:
    assert checked(token(), other) is Fault.FORGED


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        *((NOW + 59, GOOD), (NOW + 59.999, GOOD)),
        *((NOW + 60, Fault.EXPIRED), (NOW + 61, Fault.EXPIRED)),
    ],
)
def test_a_token_is_good_before_the_second_in_which_it_expires(
    now: float, expected: object
) -> None:
    assert checked(token(60), now=now) == expected


def test_a_token_without_an_end_is_good_for_ever() -> None:
    assert checked(token(None), now=NOW * 9) == Claims(NOW, None)


@pytest.mark.parametrize(
    ("behind_s", "expected"), [(29.0, GOOD), (30.0, GOOD), (31.0, Fault.TOO_EARLY)]
)
def test_a_clock_may_be_behind_the_issuer_s_by_the_skew(behind_s: float, expected: object) -> None:
    assert checked(token(), now=NOW - behind_s) == expected


def test_all_keys_verify_and_a_key_that_was_taken_out_does_not() -> None:
    assert isinstance(checked(token(key=OLD)), Claims)
    assert check(token(key=OLD), DEVICE, (NEW,), NOW, 30.0) is Fault.UNKNOWN_KEY


def test_a_key_of_the_same_id_and_another_secret_does_not_verify() -> None:
    assert checked(token(key=Key("new", b"x" * 32))) is Fault.FORGED


def test_no_part_of_a_token_can_be_changed() -> None:
    text = token()
    for at in range(len(text)):
        other = "A" if text[at] != "A" else "B"
        assert isinstance(checked(text[:at] + other + text[at + 1 :]), Fault), at


def test_no_end_of_a_token_can_be_left_out() -> None:
    text = token()
    for length in range(len(text)):
        expected = Fault.MALFORMED if length else Fault.MISSING
        assert checked(text[:length]) is expected
    assert checked(text + "A") is Fault.MALFORMED
    assert checked(text + "\n") is Fault.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        *("é" * 40, "x" * 100_000, "kl1....", "\x00", "\udcff", "kl1." + "." * 1_000),
        token().replace("1800000000", "18_0000000"),
        token().replace("1800000000", "\uff11800000000"),
        token().replace("kl1", "kl2"),
        token().replace("1800000060", "9" * 400),
    ],
)
def test_what_is_no_token_is_malformed(text: str) -> None:
    assert checked(text) is Fault.MALFORMED


def test_a_device_id_of_any_characters_is_judged_without_an_error() -> None:
    for device_id in ("é", "\udcff", "\x00", "x" * 8_000):
        assert checked(token(), device_id) is Fault.FORGED


def test_the_first_key_signs_and_the_lifetime_is_that_of_the_settings() -> None:
    scheme = SignedTokens(FixedKeys(KEYS), ttl_s=60.0, skew_s=0.0)
    issued = scheme.issue(DEVICE, "client-1", NOW)
    assert issued.token.startswith("kl1.new.")
    assert issued.expires_at == NOW + 60
    assert scheme.check(issued.token, DEVICE, "another client", NOW) == Claims(NOW, NOW + 60)
    assert scheme.check(issued.token, "other", "client-1", NOW) is Fault.FORGED
