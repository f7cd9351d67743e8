from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from keepline.cli import bans
from keepline.cli.client import NotFoundError
from keepline.cli.commands import app

BROKEN: dict[str, Any] = {
    "kind": "device",
    "device_id": "02:4b:30:b7:49:21",
    "address": "192.0.2.7",
    "step": "delayed",
    "times": 14,
    "held_s": 61.2,
    "for_s": None,
}
OFFICE = BROKEN | {"kind": "address", "device_id": "", "step": "banned", "for_s": 240.0}
TWINS = BROKEN | {"kind": "kick_war", "address": "", "step": "denied", "times": 4, "for_s": 90.4}


class Gateway:
    """Stands for the admin interface."""

    def __init__(self) -> None:
        self.bans = [BROKEN, OFFICE, TWINS]

    def get(self, path: str) -> Any:
        assert path == "/api/bans"
        return {"bans": self.bans}

    def post(self, path: str, body: dict[str, str]) -> Any:
        assert path == "/api/bans/lift"
        if body != {"who": "192.0.2.7"}:
            raise NotFoundError("not held up", "")
        return {"bans": [OFFICE]}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    monkeypatch.setattr(bans, "connect", lambda *_: gateway)
    return gateway


def typed(*words: str) -> Any:
    return CliRunner().invoke(app, ["bans", *words])


def test_the_table_says_who_why_and_until_when(gateway: Gateway) -> None:
    result = typed("list")
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[0] == ["who", "from", "step", "why", "held", "until"]
    assert lines[1][:3] == ["02:4b:30:b7:49:21", "192.0.2.7", "delayed"]
    assert lines[1][3:] == ["14", "short", "lives", "61", "s", "it", "is", "calm"]
    assert lines[2] == ["192.0.2.7", "banned", "14", "short", "lives", "61", "s", "in", "240", "s"]
    assert " ".join(lines[3][2:4]) == "4 kicks"


def test_programs_get_json(gateway: Gateway) -> None:
    assert json.loads(typed("list", "--json").output) == {"bans": gateway.bans}


def test_an_empty_list_says_so(gateway: Gateway) -> None:
    gateway.bans = []
    assert typed("list").output == "nobody is held up\n"


def test_one_is_let_go_by_name(gateway: Gateway) -> None:
    assert typed("lift", "192.0.2.7").output == "192.0.2.7 may come again\n"


def test_who_is_not_held_is_an_error_with_advice(gateway: Gateway) -> None:
    result = typed("lift", "somebody")
    assert result.exit_code == 2
    assert "somebody is not held up" in result.output
    assert "keepline bans list" in result.output
