"""What a profile may say, and when it has a keepalive leave."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from math import inf
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from keepline.lifecycle.profile import BROWSER, BUILT_IN, STOCK, Profile

CHECKED = TypeAdapter(Profile)


def test_stock_firmware_gets_data_in_time_and_browsers_get_none() -> None:
    assert STOCK.keepalive_s == 100.0
    assert STOCK.hello_timeout_s == 10.0
    assert (STOCK.close_timeout_s, BROWSER.close_timeout_s) == (1.0, 3.0)
    assert STOCK.reconnect == "never"
    assert BROWSER.keepalive_s is None
    assert [profile.name for profile in BUILT_IN] == ["xiaozhi", "browser"]


def test_a_profile_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        STOCK.keepalive_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "given",
    [
        {"keepalive_s": 0.2},
        {"keepalive_s": 110},
        {"keepalive_s": None},
        {"hello_timeout_s": 20},
        {"close_timeout_s": 60},
        {"reconnect": "fixed", "reconnect_s": 3600},
        {"reconnect": "backoff", "reconnect_s": 0.5},
    ],
)
def test_the_last_value_that_works_is_taken(given: dict[str, Any]) -> None:
    profile = CHECKED.validate_python(given)
    assert {name: getattr(profile, name) for name in given} == given


@pytest.mark.parametrize(
    "given",
    [
        {"keepalive_s": 0.19},
        {"keepalive_s": float("nan")},
        {"hello_timeout_s": 0},
        {"close_timeout_s": 0},
        {"close_timeout_s": 60.1},
        {"reconnect": "fixed", "reconnect_s": 3600.5},
        {"reconnect": "fixed", "reconnect_s": 0},
        {"pongs": "always"},
        {"notice": "shout"},
    ],
)
def test_the_first_value_that_does_not_work_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CHECKED.validate_python(given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"keepalive_s": 110.5},
            (
                "keepalive_s must be at most 110, not 110.5: a device gives its channel up after"
                " 120 s without data, and 10 s are left for the way"
            ),
        ),
        (
            {"hello_timeout_s": 20.5},
            (
                "hello_timeout_s must be at most 20, not 20.5: a device waits 10 s for its upgrade"
                " and 10 s for the answer to its hello, and has left by then"
            ),
        ),
        ({"reconnect_s": 5}, "reconnect_s must be none when reconnect is never, not 5"),
        ({"reconnect": "fixed"}, "reconnect_s must be given when reconnect is fixed"),
        ({"reconnect": "backoff"}, "reconnect_s must be given when reconnect is backoff"),
    ],
)
def test_what_cannot_work_together_is_refused_with_the_sum(
    given: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match="must") as refused:
        Profile(**given)
    assert str(refused.value) == told


@pytest.mark.parametrize(
    ("given", "returns"),
    [
        ({}, False),
        ({"reconnect": "fixed", "reconnect_s": 10}, True),
        ({"reconnect": "backoff", "reconnect_s": 10, "notice": "none"}, True),
        ({"reconnect": "fixed", "reconnect_s": 10, "notice": "reconnect"}, False),
    ],
)
def test_who_understands_when_to_come_back_does_not_return_by_itself(
    given: dict[str, Any], *, returns: bool
) -> None:
    assert Profile(**given).returns_by_itself is returns


def test_a_keepalive_is_due_in_the_last_part_of_its_period() -> None:
    profile = replace(STOCK, keepalive_s=100.0)
    assert profile.quiet_s == 85.0
    assert profile.keepalive_due(1_000.0, 0.0) == 1_100.0
    assert profile.keepalive_due(1_000.0, 0.5) == 1_092.5
    assert profile.keepalive_due(1_000.0, 0.999_999) >= 1_000.0 + profile.quiet_s


def test_without_keepalives_none_is_ever_due() -> None:
    assert BROWSER.quiet_s == BROWSER.keepalive_due(1_000.0, 0.5) == inf


def test_stock_firmware_is_never_left_alone_for_as_long_as_its_channel_lasts() -> None:
    assert STOCK.longest_silence_s == STOCK.keepalive_s == 100.0
    assert BROWSER.longest_silence_s == 300.0
