from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from keepline.cli import tuning
from keepline.cli.client import NotFoundError
from keepline.cli.commands import app
from keepline.cli.tuning import MOST_SHOWN

WAY: dict[str, Any] = {
    "prefix": "192.0.2.7",
    "interval_s": 58.0,
    "tried_s": None,
    "killed_s": 88.0,
    "since": 1_800_000_000.0,
}
FOUND: dict[str, Any] = {
    "learns": True,
    "interval_s": 15.0,
    "prefixes": 7,
    "ways": [WAY],
    "numbers": [
        {"what": "departures a turn", "value": 19, "least": 4, "most": 32},
        {"what": "newcomers a turn", "value": None, "least": 4, "most": 32},
    ],
    "steps": [{"interval_s": 88.0, "survived": 4, "killed": 1, "trying": 2}],
}


class Gateway:
    """Stands for the admin interface."""

    def __init__(self) -> None:
        self.found = FOUND
        self.asked: list[Any] = []

    def get(self, path: str) -> Any:
        assert path == "/api/tuning"
        return self.found

    def post(self, path: str, body: dict[str, Any]) -> Any:
        if body["prefix"] != WAY["prefix"]:
            raise NotFoundError("nothing", "")
        self.asked.append((path, body))
        return self.found


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    monkeypatch.setattr(tuning, "connect", lambda *_: gateway)
    return gateway


def typed(*words: str) -> Any:
    return CliRunner().invoke(app, ["tuning", *words])


@pytest.mark.usefixtures("gateway")
def test_it_shows_what_survives_and_what_has_killed_by_address() -> None:
    lines = typed().stdout.splitlines()
    assert lines[1].split() == ["departures", "a", "turn", "19", "4", "32"]
    assert lines[2].split()[3:] == ["no", "limit", "4", "32"]
    assert lines[4] == "7 addresses; where nothing is learned yet, after 15 s"
    assert lines[5] == "88 s: survived at 4, killed at 1, tried at 2"
    assert lines[-1].split() == ["192.0.2.7", "58", "s", "-", "88", "s", "2027-01-15", "08:00"]


@pytest.mark.usefixtures("gateway")
def test_it_shows_json_for_programs() -> None:
    assert json.loads(typed("--json").stdout) == FOUND


def test_of_many_addresses_the_latest_are_shown(gateway: Gateway) -> None:
    gateway.found = FOUND | {"ways": [WAY] * (MOST_SHOWN + 3)}
    assert typed().stdout.splitlines()[-1] == "and 3 more: --json shows them"


def test_a_gateway_that_learns_nothing_says_how_to_have_it_learn(gateway: Gateway) -> None:
    gateway.found = FOUND | {"learns": False, "ways": [], "steps": []}
    last = typed().stdout.splitlines()[-1]
    assert last == "all are pinged after 15 s: nothing is learned (tuning.verdict_s)"


def test_an_address_is_forgotten(gateway: Gateway) -> None:
    assert typed("forget", "192.0.2.7").stdout == "192.0.2.7 begins anew\n"
    assert gateway.asked == [("/api/tuning/forget", {"prefix": "192.0.2.7"})]


@pytest.mark.usefixtures("gateway")
def test_an_address_that_nothing_is_known_of_is_said_to_be_so() -> None:
    result = typed("forget", "198.51.100.1")
    assert result.exit_code != 0
    assert "nothing is known of 198.51.100.1" in result.stderr
