from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from keepline.cli import upstreams
from keepline.cli.client import NotFoundError, UnknownError
from keepline.cli.commands import app

WELL: dict[str, Any] = {
    "upstream": "ws://voice-0/v1/",
    "health": "healthy",
    "share": 1.0,
    "connections": 12,
    "connecting": 1,
    "connects": 99,
    "failures": 0,
    "ejections": 0,
    "ejected_for_s": None,
    "latency_s": 0.0123,
    "last_failure": "",
}
SICK = WELL | {
    "upstream": "ws://voice-1/v1/",
    "health": "ejected",
    "ejected_for_s": 20.4,
    "latency_s": None,
    "last_failure": "connection refused\x1b[2J",
}


class Gateway:
    """Stands for the admin interface: what it was asked, what it answers."""

    def __init__(self) -> None:
        self.answer: Any = {"upstreams": [WELL, SICK], "panic": False}
        self.posted: list[tuple[str, dict[str, str]]] = []

    def get(self, path: str) -> Any:
        assert path == "/api/upstreams"
        if self.answer is None:
            raise UnknownError("it does not know this request", "is it older?")
        return self.answer

    def post(self, path: str, body: dict[str, str]) -> Any:
        self.posted.append((path, body))
        if body["upstream"] != WELL["upstream"]:
            raise NotFoundError("no such upstream", "")
        return WELL


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    monkeypatch.setattr(upstreams, "connect", lambda *_: gateway)
    return gateway


def typed(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["upstreams", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.usefixtures("gateway")
def test_the_list_says_of_each_how_it_is() -> None:
    code, out, _ = typed("list")
    head, first, second = out.splitlines()
    assert code == 0
    assert head.split() == ["upstream", "health", *head.split()[2:]]
    assert first.split() == ["ws://voice-0/v1/", "healthy", "12", "1", "0", "12", "ms"]
    assert "ejected, 20 s" in second
    assert "connection refused" in second
    assert "\x1b" not in out


def test_the_list_says_when_all_serve_for_want_of_better_ones(gateway: Gateway) -> None:
    slow = WELL | {"health": "slow_start", "share": 0.25}
    gateway.answer = {"upstreams": [slow], "panic": True}
    assert "slow start, 25%" in typed("list")[1]
    assert "so many are ejected that all serve" in typed("list")[1]


def test_for_programs_the_list_is_json(gateway: Gateway) -> None:
    assert json.loads(typed("list", "--json")[1]) == gateway.answer


def test_a_gateway_without_upstreams_is_told_as_that(gateway: Gateway) -> None:
    gateway.answer = None
    code, _, err = typed("list")
    assert code != 0
    assert "this gateway has no upstreams" in err
    assert "keepline serve --upstream URL" in err


def test_one_is_drained_and_taken_back(gateway: Gateway) -> None:
    code, out, _ = typed("drain", "ws://voice-0/v1/")
    assert (code, out) == (0, "ws://voice-0/v1/ is draining, with 12 connections\n")
    code, out, _ = typed("undrain", "ws://voice-0/v1/")
    assert (code, out) == (0, "ws://voice-0/v1/ takes new connections again\n")
    assert [path for path, _ in gateway.posted] == [
        *("/api/upstreams/drain", "/api/upstreams/undrain")
    ]


@pytest.mark.usefixtures("gateway")
def test_one_that_is_not_there_is_told_with_where_to_look() -> None:
    code, _, err = typed("drain", "ws://elsewhere/")
    assert code != 0
    assert "ws://elsewhere/ is no upstream of this gateway" in err
    assert "keepline upstreams list" in err
