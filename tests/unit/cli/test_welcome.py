"""Where a person is told that devices connect."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace
from typing import Any

import pytest

import keepline.app.process
from keepline.app.gateway import Gateway
from keepline.cli.welcome import reached_at, welcome
from keepline.handlers.echo import Echo
from tests.unit.cli.command_line import typed


def listening(host: str, **values: Any) -> Any:
    """Something like a gateway that listens on `host`, with nothing behind it."""
    settings = Gateway(Echo, {"server": {"host": host}, "admin": {"host": "::1"}}).settings
    node = SimpleNamespace(enrolment=None)
    values = {"port": 8_000, "admin_port": 8_001, "url": "ws://somewhere/", "node": node, **values}
    return type("Listening", (), {"settings": settings, **values})()


def test_an_ipv6_address_stands_in_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    welcome(listening("::1"))
    shown = capsys.readouterr().out
    assert "ws://[::1]:8000/xiaozhi/v1/" in shown
    assert "http://[::1]:8000/xiaozhi/ota/" in shown
    assert "http://[::1]:8001/healthz" in shown


@pytest.mark.parametrize(
    ("admin_port", "command"),
    [
        (8_001, "keepline enrol list"),
        (9_001, "keepline enrol list --admin-url http://[::1]:9001"),
    ],
)
def test_where_devices_are_approved_it_is_said_how(
    admin_port: int, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = SimpleNamespace(activates=True)
    node = SimpleNamespace(enrolment=SimpleNamespace(policy=policy))
    welcome(listening("127.0.0.1", node=node, admin_port=admin_port))
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert f"  who waits            {command}" in shown
    policy.activates = False
    welcome(listening("127.0.0.1", node=node))
    assert "enrol" not in capsys.readouterr().out


def test_the_token_is_shown_only_where_it_was_made_for_being_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    welcome(listening("127.0.0.1"), token="[a-token]")
    assert "[a-token]" in capsys.readouterr().out
    welcome(listening("127.0.0.1"))
    assert "token" not in capsys.readouterr().out


def test_without_an_admin_port_there_is_none_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    welcome(listening("127.0.0.1", admin_port=None, url="wss://somewhere/"))
    shown = capsys.readouterr().out
    assert "healthz" not in shown
    assert "wss://127.0.0.1:8000" in shown
    assert "https://127.0.0.1:8000" in shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_for_every_address_one_is_shown_that_others_can_type(host: str) -> None:
    shown = reached_at(host)
    assert shown not in {"0.0.0.0", "::", ""}
    if shown[0].isdigit():
        assert ipaddress.ip_address(shown)


def test_a_machine_that_has_no_way_out_is_called_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keepline.cli.welcome.SOMEWHERE", ("no address", 9))
    monkeypatch.setattr("socket.gethostname", lambda: "a-name")
    assert reached_at("0.0.0.0") == "a-name"


def test_of_several_addresses_the_first_is_shown() -> None:
    assert reached_at("192.0.2.7, ::1") == "192.0.2.7"


@pytest.mark.parametrize("looks", [True, False])
def test_serve_says_it_to_a_terminal_and_to_nothing_else(
    *, looks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def serve(*_arguments: object, announce: object, **_others: object) -> int:
        given.append(announce)
        return 0

    monkeypatch.setattr(keepline.app.process, "serve", serve)
    monkeypatch.setattr("keepline.cli.serving._is_watched", lambda: looks)
    assert typed("serve")[0] == 0
    assert given == [welcome if looks else None]
