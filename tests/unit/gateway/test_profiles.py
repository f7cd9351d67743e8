"""Who has which profile: the device's id first, then how it connects."""

from __future__ import annotations

from typing import Any

import pytest

from keepline.gateway.identity import Identity
from keepline.gateway.profiles import Profiles
from keepline.settings import Settings
from tests.unit.gateway.fakes import device_request

TABLES = {
    "kitchen": {"match": "aa:bb:*"},
    "odd": {"match": ["aa:?b:01", "test-[0-9]", "*"], "pongs": "never"},
}


def name_of(device_id: str, tables: dict[str, Any] | None = None, **request: Any) -> str:
    settings = Settings.model_validate({"profiles": tables or {}})
    profiles = Profiles(settings.profiles)
    return profiles.of(device_request(**request), Identity(device_id, "client-1")).name


@pytest.mark.parametrize("device_id", ["02:00:00:00:00:01", "", "anything"])
def test_without_settings_a_device_is_stock_firmware(device_id: str) -> None:
    assert name_of(device_id) == "xiaozhi"


def test_a_request_with_an_origin_or_with_ids_in_its_query_is_a_browsers() -> None:
    headers = device_request().headers | {"origin": "https://example.com"}
    assert name_of("web", headers=headers) == "browser"
    assert name_of("web", query={"device-id": "web"}) == "browser"
    assert name_of("web", query={"from": "somewhere"}) == "xiaozhi"


def test_the_first_profile_that_fits_wins_in_the_order_of_the_settings() -> None:
    assert name_of("aa:bb:01", TABLES) == "kitchen"
    assert name_of("aa:cb:01", TABLES) == "odd"
    assert name_of("aa:bb:01", dict(reversed(TABLES.items()))) == "odd"


def test_a_profile_that_fits_wins_over_the_kind_of_request() -> None:
    assert name_of("aa:bb:01", TABLES, query={"device-id": "aa:bb:01"}) == "kitchen"


def test_patterns_are_those_of_a_shell_and_do_not_mind_case() -> None:
    only = {"mine": {"match": "AA:?B:*, test-[0-9]"}}
    assert name_of("aa:cb:01", only) == "mine"
    assert name_of("Test-7", only) == "mine"
    assert name_of("aa:ccb:01", only) == "xiaozhi"
    assert name_of("test-77", only) == "xiaozhi"
    assert name_of("x-test-7", only) == "xiaozhi"
    assert name_of("aa.cb.01", only) == "xiaozhi"


def test_the_built_in_ones_may_be_given_patterns_too() -> None:
    assert name_of("kiosk-1", {"browser": {"match": "kiosk-*"}}) == "browser"


def test_connections_share_the_profile() -> None:
    profiles = Profiles(Settings().profiles)
    identity = Identity("device-1", "client-1")
    assert profiles.of(device_request(), identity) is profiles.of(device_request(), identity)
    assert profiles.of(device_request(), identity) is profiles.default
