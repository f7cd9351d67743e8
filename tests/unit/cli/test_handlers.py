from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from keepline.cli import handlers
from keepline.cli.commands import app

QUIET: dict[str, Any] = {
    "faults": [{"fault": "memory", "socket": 0, "handler": 0, "us": 0}],
    "handlers": [],
    "calls_under_way": 0,
    "strays": [],
    "blocked": None,
}
TROUBLED = QUIET | {
    "faults": [{"fault": "unknown", "socket": 1, "handler": 12, "us": 0}],
    "handlers": [
        {
            "handler": "app.Assistant",
            "standing": "suspended",
            "devices": 3,
            "failures": 12,
            "suspensions": 1,
            "wait_s": 12.4,
        }
    ],
    "strays": [
        {
            "kind": "task",
            "handler": "app.Assistant",
            "call": "Assistant.text",
            "device_id": "device\x1b[2J",
            "for_s": 61.0,
            "at": "app.py:7",
        }
    ],
    "blocked": {
        "lost_s": 3.14,
        "call": "Assistant.text",
        "device_id": "device-1",
        "at": "app.py:9",
    },
}
NOBODY: dict[str, Any] = {"handlers": [], "sessions": [], "wild": [], "memory": []}
GROWING = NOBODY | {
    "sessions": [
        {
            "owner": "device-1",
            "handler": "app.Assistant",
            "tasks": 40,
            "timers": 2,
            "queued_bytes": 100,
            "growing": ["tasks"],
        }
    ],
    "wild": [{"runs": "poll app.py:3", "tasks": 99, "growing": True}],
    "memory": [{"at": "app.py:11", "held_bytes": 2_000_000, "grown_bytes": 1_000_000}],
}


def run(monkeypatch: pytest.MonkeyPatch, answer: Any, *words: str) -> str:
    class Gateway:
        def get(self, path: str) -> Any:
            assert path == f"/api/{words[0]}"
            return answer

    monkeypatch.setattr(handlers, "connect", lambda *_: Gateway())
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_quiet_gateway_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, QUIET, "handlers") == "no handler has failed\n"
    assert run(monkeypatch, NOBODY, "leaks") == "nothing is under way beside the calls\n"


def test_what_fails_is_told_with_when_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(monkeypatch, TROUBLED, "handlers")
    assert "app.Assistant  suspended for 12 s  3        12" in told
    assert "unknown  12       0   1" in told
    assert "device\\x1b[2J" in told
    assert "held up for 3.1 s by Assistant.text device-1 app.py:9" in told


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        (["203.0.113.7"], "serving, but not 203.0.113.7 "),
        (["203.0.113.7", "203.0.113.8", "203.0.113.9"], "not 203.0.113.7 and 2 more "),
    ],
)
def test_what_fails_with_some_addresses_alone_is_told_with_them(
    addresses: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = {"standing": "serving", "wait_s": 0.0, "addresses": addresses}
    failing = {"handlers": [TROUBLED["handlers"][0] | apart]}
    assert told in run(monkeypatch, QUIET | failing, "handlers")


def test_what_nobody_has_come_to_try_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = {"standing": "probing", "wait_s": 0.0, "untried": True}
    failing = {"handlers": [TROUBLED["handlers"][0] | waits]}
    assert "tried with who comes next" in run(monkeypatch, QUIET | failing, "handlers")
    failing = {"handlers": [TROUBLED["handlers"][0] | waits | {"untried": False}]}
    assert "being tried" in run(monkeypatch, QUIET | failing, "handlers")


def test_who_grows_is_told_with_what_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(monkeypatch, GROWING, "leaks")
    assert "device-1  40     2       100           tasks" in told
    assert "poll app.py:3  99     yes" in told
    assert "+1000000" in told


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(run(monkeypatch, TROUBLED, "handlers", "--json")) == TROUBLED
    assert json.loads(run(monkeypatch, GROWING, "leaks", "--json")) == GROWING
