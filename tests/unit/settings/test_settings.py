"""Sections are frozen, know their names, and check themselves at construction."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keepline.lifecycle.heartbeat import HeartbeatPolicy
from keepline.settings import Settings
from keepline.wire.limits import Limits


def refused(document: dict[str, Any]) -> tuple[Any, ...]:
    with pytest.raises(ValidationError) as failure:
        Settings.model_validate(document)
    [error] = failure.value.errors()
    return error["loc"]


def test_the_defaults_are_valid_and_those_of_the_rooms() -> None:
    settings = Settings.model_validate({})
    assert settings == Settings()
    assert settings.wire == Limits()
    assert settings.heartbeat == HeartbeatPolicy()


def test_devices_and_operators_are_served_on_loopback_unless_told_otherwise() -> None:
    assert Settings().server.host == Settings().admin.host == "127.0.0.1"


def test_strings_become_numbers_as_environment_and_flags_need_it() -> None:
    document = {"server": {"port": "1"}, "wire": {"message_bytes": "2"}}
    settings = Settings.model_validate(document)
    assert (settings.server.port, settings.wire.message_bytes) == (1, 2)


@pytest.mark.parametrize("section", ["server", "wire", "heartbeat", "outbox"])
def test_an_unknown_name_is_refused_inside_every_kind_of_section(section: str) -> None:
    assert refused({section: {"unknown": 1}}) == (section, "unknown")


def test_an_unknown_section_is_refused() -> None:
    assert refused({"unknown": {}}) == ("unknown",)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("server", "port", -1),
        ("server", "port", 65_536),
        ("server", "max_connections", 0),
        ("session", "idle_after_s", 0),
        ("session", "idle_after_s", float("inf")),
        ("heartbeat", "interval_s", float("nan")),
        ("wire", "message_bytes", 0),
        ("log", "level", "loud"),
        ("auth", "token", ""),
        ("auth", "token", "two words"),
        ("auth", "token", "é"),
        ("auth", "token", "x" * 1_025),
        ("auth", "token", "line\n"),
    ],
)
def test_a_value_outside_its_limits_is_refused(section: str, key: str, value: object) -> None:
    assert refused({section: {key: value}}) == (section, key)


def test_the_limits_themselves_are_allowed() -> None:
    for port in (0, 65_535):
        assert Settings.model_validate({"server": {"port": port}}).server.port == port


def test_one_port_cannot_serve_devices_and_operators() -> None:
    assert refused({"server": {"port": 9}, "admin": {"port": 9}}) == ()


def test_both_ports_may_be_left_to_the_system() -> None:
    settings = Settings.model_validate({"server": {"port": 0}, "admin": {"port": 0}})
    assert settings.server.port == settings.admin.port == 0


def test_ages_of_silence_that_contradict_each_other_are_refused() -> None:
    assert refused({"heartbeat": {"suspicious_s": 90, "zombie_s": 60}}) == ("heartbeat",)


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.server.port = 1
    with pytest.raises(AttributeError):
        settings.wire.message_bytes = 1  # type: ignore[misc]


def test_a_token_is_not_shown_with_the_settings() -> None:
    assert "hunter2" not in repr(Settings.model_validate({"auth": {"token": "hunter2"}}))
