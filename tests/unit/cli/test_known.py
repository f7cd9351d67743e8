"""The list of all settings is complete and readable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from keepline.cli.known import known_settings, may_be_none
from keepline.settings import Settings


def flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_every_field_of_every_section_is_known_with_its_default() -> None:
    expected = dict(flat(Settings().model_dump()))
    for name in ("xiaozhi", "browser"):
        assert expected.pop(f"profiles.{name}.name") == name  # the table's own key
    assert {name: known.default for name, known in known_settings().items()} == expected


def test_every_setting_says_what_it_takes() -> None:
    assert [name for name, known in known_settings().items() if not known.allowed] == []


def test_a_table_that_is_asked_for_is_known_with_stock_values() -> None:
    asked_for = ["profiles.mine.match", "profiles.mine.keepalive", "profiles.browser.match"]
    added = known_settings(asked_for).keys() - known_settings().keys()
    assert {name.rpartition(".")[0] for name in added} == {"profiles.mine"}
    assert known_settings(asked_for)["profiles.mine.keepalive_s"].default == 100.0


def test_only_profiles_may_have_tables_of_any_name() -> None:
    asked_for = ["profiles.mine", "server.mine.match", "profile.mine.match", "mine"]
    assert known_settings(asked_for) == known_settings()


def test_only_optional_numbers_may_be_none() -> None:
    assert may_be_none(float | None)
    assert not may_be_none(float)
    assert not may_be_none(str | None)


def test_every_section_refuses_unknown_names_and_changes() -> None:
    for section in (Settings(), *(getattr(Settings(), name) for name in Settings.model_fields)):
        if isinstance(section, BaseModel):
            assert section.model_config["extra"] == "forbid"
            assert section.model_config["frozen"] is True


def test_a_switch_and_a_list_are_described_in_words() -> None:
    known = known_settings()
    assert known["auth.insecure"].allowed == "true or false"
    assert known["auth.origins"].allowed == "texts, separated by commas"


def test_secrets_are_known_as_such() -> None:
    known = known_settings()
    secret = {name for name, each in known.items() if each.secret}
    assert secret >= {"auth.token", "auth.keys", "auth.callback_url"}
    assert "auth.mode" not in secret
