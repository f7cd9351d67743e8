"""Settings as a program gives them."""

from __future__ import annotations

from typing import Any

import pytest

from keepline.errors import SettingsError
from keepline.settings import Settings
from keepline.settings.given import settings_from


def test_nothing_given_is_the_defaults() -> None:
    assert settings_from() == Settings()


@pytest.mark.parametrize("as_they_are", [True, False])
def test_what_is_given_stays_unless_a_section_says_otherwise(*, as_they_are: bool) -> None:
    nested: dict[str, Any] = {"server": {"port": 7, "host": "::1"}, "log": {"level": "debug"}}
    given = Settings.model_validate(nested) if as_they_are else nested
    made = settings_from(given, server={"port": 8, "host": None})
    assert (made.server.port, made.server.host, made.log.level) == (8, "::1", "debug")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"server": {"port": -1}}, "server.port: "),
        ({"sever": {}}, "sever: "),
        ({"server": {"port": 5}, "admin": {"port": 5}}, "admin.port must differ"),
    ],
)
def test_what_cannot_be_names_the_setting(given: Any, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings_from(given)
    assert problem in error.value.problem


def test_a_secret_that_cannot_be_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as error:
        settings_from(auth={"token": "my secret"})
    assert "my secret" not in str(error.value)
