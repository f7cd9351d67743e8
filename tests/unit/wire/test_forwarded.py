from __future__ import annotations

import pytest

from keepline.errors import RefusedError
from keepline.reasons import CloseReason
from keepline.wire.forwarded import forwarded_for, forwarded_secure

PROXY = "10.0.0.1"


def read(header: str | None) -> str:
    headers = {} if header is None else {"x-forwarded-for": header}
    return forwarded_for(headers, PROXY, lambda address: address.startswith("10."))


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.3,10.0.0.2", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7", "192.0.2.7"),  # the left one anybody can have written
        ("no address at all, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:50000", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:DB8:0::7]:50000", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("10.0.0.9, 10.0.0.2", "10.0.0.9"),  # a client among the proxies
        (" , 192.0.2.7 ,", "192.0.2.7"),
        ("", PROXY),
        (None, PROXY),
    ],
)
def test_the_rightmost_address_that_is_not_trusted_counts(header: str, address: str) -> None:
    assert read(header) == address


@pytest.mark.parametrize("header", ["unknown", "192.0.2.7, _hidden", "192.0.2.300", "1:2"])
def test_a_trusted_proxy_that_writes_no_address_is_refused(header: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(header)
    assert refused.value.reason is CloseReason.BAD_REQUEST


@pytest.mark.parametrize(
    ("value", "secure"),
    [("https", True), ("WSS", True), ("http, https", True), ("https, http", False), ("", False)],
)
def test_the_nearest_proxy_says_whether_it_was_spoken_to_in_tls(
    value: str, *, secure: bool
) -> None:
    assert forwarded_secure({"x-forwarded-proto": value}) is secure


def test_without_a_word_about_it_a_request_is_not_secure() -> None:
    assert not forwarded_secure({})
