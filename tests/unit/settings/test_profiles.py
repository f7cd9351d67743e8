"""Profiles as settings: what a table leaves out, which names there may be, who is of use."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keepline.lifecycle.profile import BROWSER, STOCK
from keepline.settings import Settings
from keepline.settings.profiles import built_in, named


def profiles(**tables: dict[str, Any]) -> dict[str, Any]:
    return dict(Settings.model_validate({"profiles": tables}).profiles)


def refused(**tables: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refusal:
        profiles(**tables)
    return str(refusal.value)


def test_a_gateway_that_was_told_nothing_knows_stock_firmware_and_browsers() -> None:
    assert Settings().profiles == built_in() == {"xiaozhi": STOCK, "browser": BROWSER}


def test_what_a_table_leaves_out_is_as_it_was() -> None:
    changed = profiles(browser={"close_timeout_s": 2})["browser"]
    assert changed.close_timeout_s == 2.0
    assert changed.keepalive_s is BROWSER.keepalive_s is None
    assert profiles(browser={"close_timeout_s": 2})["xiaozhi"] == STOCK


def test_a_new_profile_is_stock_firmware_but_for_what_it_says() -> None:
    mine = profiles(mine={"match": ["aa:*"], "pongs": "never"})["mine"]
    assert (mine.name, mine.match, mine.pongs) == ("mine", ("aa:*",), "never")
    assert mine.keepalive_s == STOCK.keepalive_s


def test_the_name_is_the_tables_key_whatever_it_says_of_itself() -> None:
    assert profiles(mine={"match": ["a"], "name": "other"})["mine"].name == "mine"
    assert named("browser").name == "browser"
    assert named("else").name == "else"


def test_patterns_may_be_one_text_with_commas() -> None:
    assert profiles(mine={"match": "aa:*, bb:*"})["mine"].match == ("aa:*", "bb:*")


def test_profiles_keep_the_order_in_which_they_were_given() -> None:
    tables = profiles(zebra={"match": "z*"}, ape={"match": "a*"}, xiaozhi={"match": "x*"})
    assert list(tables) == ["zebra", "ape", "xiaozhi", "browser"]


def test_a_profile_that_no_device_would_use_is_refused() -> None:
    told = refused(mine={"pongs": "never"})
    assert "mine.match must be given" in told
    assert "xiaozhi and browser" in told


@pytest.mark.parametrize("name", ["a", "a" * 32, "my-device_2"])
def test_names_that_can_be_written_everywhere_are_taken(name: str) -> None:
    assert profiles(**{name: {"match": "x"}})[name].name == name


@pytest.mark.parametrize("name", ["", "A", "2a", "a b", "a" * 33, "a.b"])
def test_other_names_are_refused(name: str) -> None:
    assert "is no name of a profile" in refused(**{name: {"match": "x"}})


@pytest.mark.parametrize("table", [5, "x", {"match": 5}, {"match": "x", "pongs": "maybe"}])
def test_what_is_no_table_of_a_profile_is_refused(table: Any) -> None:
    assert refused(mine=table)


def test_what_is_no_table_of_profiles_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"profiles": 5})
