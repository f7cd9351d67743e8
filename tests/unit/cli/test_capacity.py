"""`keepline capacity`, against answers in the shape of the interface's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.cli import capacity
from tests.unit.cli.command_line import typed

FOUND: dict[str, Any] = {
    "sessions": 590,
    "most": 4_321,
    "left": 3_731,
    "least": 4_000,
    "best": 4_600,
    "known": True,
    "limited_by": "memory",
    "terms": {
        "interval_s": 15.0,
        "verdict_s": 20.5,
        "talk_share": 0.1,
        "memory_limit_bytes": 1.0,
        "descriptor_limit": None,
        "connections": 15_000,
    },
    "rooms": [
        {
            "resource": "memory",
            "used": 1 << 20,
            "allowed": 1 << 30,
            "each": 4_096.0,
            "most": 4_321,
            "learned": False,
        },
        {
            "resource": "cpu",
            "used": 0.0123,
            "allowed": 0.8,
            "each": 0.0,
            "most": None,
            "learned": True,
        },
    ],
    "costs": [{"of": "ping_s", "each": 3e-5, "spread": 1e-6}],
    "what_if": [
        {
            "change": "pings every 30 s",
            "most": 5_000,
            "least": 900,
            "best": 15_000,
            "known": True,
            "limited_by": "cpu",
            "verdict_s": 35.5,
        }
    ],
}


class Interface:
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.found = FOUND
        self.asked: dict[str, Any] = {}

    def get(self, path: str, **query: Any) -> Any:
        assert path == "/api/capacity"
        self.asked = query
        return self.found


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Interface:
    made = Interface()
    monkeypatch.setattr(capacity, "connect", lambda *_: made)
    return made


def test_room_is_shown_with_what_ends_it_and_what_would_change_it(interface: Interface) -> None:
    status, shown, _ = typed("capacity")
    assert status == 0
    lines = shown.splitlines()
    assert lines[0] == "room for 3731 more: 590 are there, 4321 fit, then memory is used up"
    assert "10 % talking, pings every 15 s (who is gone is given up after 20 s)" in lines[1]
    assert lines[4].split() == ["memory", "1", "MiB", "1", "GiB", "4", "KiB", "?", "4321"]
    assert lines[5].split() == ["cpu", "1.23", "%", "80", "%", "0", "%", "any", "number"]
    assert "pings every 30 s  5000  cpu" in shown
    assert "not seen enough yet: memory;" in shown
    assert interface.asked == {"interval_s": None, "talking": None, "memory_bytes": None}


def test_a_guess_is_told_as_one_with_how_far_it_may_be_off(interface: Interface) -> None:
    [change] = FOUND["what_if"]
    few = {"sessions": 5, "known": False, "what_if": [change | {"known": False}]}
    interface.found = FOUND | few
    shown = typed("capacity")[1]
    assert shown.startswith("too little was seen to tell: 5 are there, 4000 to 4600 fit")
    assert "pings every 30 s  900 to 15000  cpu" in shown


def test_beside_a_few_sessions_a_limit_is_told_as_that_and_not_as_what_fits(
    interface: Interface,
) -> None:
    interface.found = FOUND | {
        **dict.fromkeys(("least", "most", "best"), 15_000),
        "sessions": 0,
        "known": False,
        "limited_by": "connections",
    }
    assert typed("capacity")[1].startswith(
        "too little was seen to tell: 0 are there, more than 15000 may not be (connections)\n"
    )


def test_where_all_was_learned_nothing_is_excused(interface: Interface) -> None:
    interface.found = FOUND | {"rooms": [room | {"learned": True} for room in FOUND["rooms"]]}
    assert "not seen enough" not in typed("capacity")[1]


def test_the_question_may_be_asked_as_if_things_were_different(interface: Interface) -> None:
    typed("capacity", "--interval", "30", "--talking", "0.2", "--memory", "512")
    assert interface.asked == {"interval_s": 30, "talking": 0.2, "memory_bytes": 512 << 20}


def test_a_program_gets_what_the_interface_said(interface: Interface) -> None:
    assert json.loads(typed("capacity", "--json")[1]) == interface.found
