from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keepline.settings.webhook import EVENTS, Webhook

SECRET = "a-secret-for-tests"


def refused(**fields: Any) -> str:
    with pytest.raises(ValidationError) as failure:
        Webhook(**fields)
    return str(failure.value.errors(include_input=False))


@pytest.mark.parametrize(
    "url",
    ["http://x", "https://x/", "https://x:1/a?b=c@d", "http://[::1]:80/", "http://10.0.0.1/x"],
)
def test_a_web_address_is_taken(url: str) -> None:
    assert Webhook(url=url, secret=SECRET).url == url


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x/", "http://", "https:///x", "https://user:word@x/", "http://x y/"]
)
def test_what_is_no_web_address_or_holds_a_password_is_refused(url: str) -> None:
    assert "url" in refused(url=url, secret=SECRET)


def test_nothing_is_sent_unsigned() -> None:
    assert "secret must be set" in refused(url="http://x/")
    assert Webhook(secret=SECRET).url is None


def test_events_that_do_not_exist_are_named_with_those_that_do() -> None:
    told = refused(events="device.gone, device.online")
    assert "device.gone" in told
    assert all(event in told for event in EVENTS)


def test_the_longest_wait_is_no_shorter_than_the_first() -> None:
    assert Webhook(retry_min_s=5, retry_max_s=5).retry_max_s == 5
    assert "retry_max_s" in refused(retry_min_s=5, retry_max_s=4.9)


def test_neither_address_nor_secret_is_in_the_repr() -> None:
    shown = repr(Webhook(url="http://x/path-of-mine", secret=SECRET))
    assert "path-of-mine" not in shown
    assert SECRET not in shown
