from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from keepline.cli import governor
from keepline.cli.commands import app

PEACE: dict[str, Any] = {
    "pressure": 0.12,
    "forced": None,
    "signals": [
        {"signal": "lag", "seen": 0.0012, "pressure": 0.0},
        {"signal": "memory", "seen": 0.123, "pressure": 0.12},
        {"signal": "queued", "seen": 2048, "pressure": 0.0},
        {"signal": "standing", "seen": 0.0, "pressure": 0.0},
    ],
    "actions": [
        {
            "action": "hold",
            "low": 0.85,
            "high": 0.95,
            "signals": ["lag"],
            "on": True,
            "forced": None,
            "strength": None,
            "for_s": None,
            "begun": 2,
        },
        {
            "action": "shed",
            "low": 0.9,
            "high": 0.98,
            "signals": ["memory"],
            "on": False,
            "forced": None,
            "strength": None,
            "for_s": None,
            "begun": 0,
        },
    ],
    "door": {
        "limit": 24.2,
        "per_turn": 13,
        "judging": 3,
        "waiting": 0,
        "holding": 0,
        "waited": 7,
        "held": 1,
        "refused": 2,
        "shed": 0,
    },
}
HOLDS = PEACE["actions"][0] | {"strength": 0.5, "for_s": 12.0}
ORDER = {"pressure": 0.9, "by": "", "left_s": None}
PRESSED = PEACE | {"forced": ORDER, "actions": [HOLDS]}


class Gateway:
    """Stands for the admin interface."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def get(self, path: str) -> Any:
        assert path == "/api/governor"
        return PEACE

    def post(self, path: str, body: dict[str, Any]) -> Any:
        self.asked.append((path, body))
        return PRESSED


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    monkeypatch.setattr(governor, "connect", lambda *_: gateway)
    monkeypatch.setattr(governor, "me", lambda: "anna")
    return gateway


def typed(*words: str) -> Any:
    return CliRunner().invoke(app, ["governor", *words])


def test_it_shows_what_presses_and_what_is_done(gateway: Gateway) -> None:
    lines = typed().stdout.splitlines()
    assert lines[0] == "pressure 0.12"
    assert "loop lag, p95 of 2 s  1.20 ms    0.00" in lines
    assert "memory, of its limit  12.3 %     0.12" in lines
    assert "hold    0.85  0.95  -             2" in lines
    assert "shed    0.90  0.98  switched off  0" in lines
    assert lines[-2].startswith("at the door: 3 are judged, at most 24, 13 in a turn of the loop;")


def test_it_shows_json_for_programs(gateway: Gateway) -> None:
    assert json.loads(typed("--json").stdout) == PEACE


def test_a_pressure_is_forced_and_released(gateway: Gateway) -> None:
    shown = typed("force", "0.9").stdout
    assert "but it acts as if it was 0.90 (keepline governor release)" in shown
    assert "50 % for 12 s" in shown
    typed("release")
    assert gateway.asked == [
        ("/api/governor/force", {"pressure": 0.9, "by": "anna"}),
        ("/api/governor/force", {"pressure": None, "by": "anna"}),
    ]


def test_one_action_alone_is_forced_for_a_while_and_released(gateway: Gateway) -> None:
    typed("force", "1", "shed", "--for", "10m")
    typed("release", "shed")
    assert gateway.asked == [
        (
            "/api/governor/force",
            {"pressure": 1.0, "action": "shed", "by": "anna", "for_s": 600},
        ),
        ("/api/governor/force", {"pressure": None, "action": "shed", "by": "anna"}),
    ]


def test_who_forces_one_action_and_for_how_long_stands_behind_it() -> None:
    order = {"pressure": 1.0, "by": "anna", "left_s": 61.0}
    lines = governor.lines_of(PEACE | {"actions": [HOLDS | {"forced": order}]})
    assert "hold    0.85  0.95  50 % for 12 s, forced: 1.00 by anna for 1 min more  2" in lines


def test_what_is_forced_for_one_action_alone_stands_in_the_first_line() -> None:
    order = {"pressure": 1.0, "by": "anna", "left_s": None}
    actions = [HOLDS | {"forced": order}, PEACE["actions"][1] | {"forced": order}]
    found = PEACE | {"actions": actions}
    head, *_ = governor.lines_of(found)
    assert (
        head == "pressure 0.12, but the actions hold, shed are forced (keepline governor release)"
    )
    head, *_ = governor.lines_of(found | {"forced": ORDER})
    assert head == (
        "pressure 0.12, but it acts as if it was 0.90, and the actions hold, shed are forced"
        " (keepline governor release)"
    )
    head, *_ = governor.lines_of(PEACE | {"actions": actions[:1]})
    assert head == "pressure 0.12, but the action hold is forced (keepline governor release)"


@pytest.mark.parametrize(
    "words", [("force", "1", "sing"), ("release", "sing"), ("force", "1", "--for", "soon")]
)
def test_what_cannot_be_forced_is_said_before_anybody_is_asked(
    gateway: Gateway, words: tuple[str, ...]
) -> None:
    assert typed(*words).exit_code != 0
    assert not gateway.asked


def test_an_action_is_switched_off_and_on(gateway: Gateway) -> None:
    typed("disable", "shed")
    typed("enable", "shed")
    assert gateway.asked == [
        ("/api/governor/switch", {"action": "shed", "on": False}),
        ("/api/governor/switch", {"action": "shed", "on": True}),
    ]


def test_what_is_no_action_is_said_before_anybody_is_asked(gateway: Gateway) -> None:
    result = typed("disable", "sing")
    assert result.exit_code != 0
    assert not gateway.asked


def test_what_is_no_pressure_is_said_before_anybody_is_asked(gateway: Gateway) -> None:
    assert typed("force", "1.5").exit_code != 0
    assert not gateway.asked
