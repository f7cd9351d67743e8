from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from keepline.cli import drain
from keepline.cli.commands import app
from keepline.errors import StartError

PLAN: dict[str, Any] = {
    "devices": 12,
    "waves": [
        {"wave": wave, "devices": 4, "never": 4, "told": 0, "by_itself": 0, "cut": 0}
        for wave in ("idle", "quiet", "talking")
    ],
    "rate_per_s": 700.0,
    "turn_s": 15.0,
    "wait_s": 20.0,
    "eta_s": 16.5,
    "fits": True,
}
NONE: dict[str, Any] = {
    "phase": "none",
    "left": 12,
    "talking": 0,
    "rate": 1.0,
    "cut": 0,
    "eta_s": 0.0,
    "plan": PLAN,
}


class Gateway:
    """Stands for the admin interface: how far it is at each look."""

    def __init__(self, *phases: str) -> None:
        self.phases = list(phases)
        self.asked: list[tuple[str, Any]] = []

    def get(self, path: str) -> Any:
        assert path == "/api/drain"
        if not self.phases:
            raise StartError("no gateway answers", "is it running?")
        phase = self.phases.pop(0)
        left = 0 if phase == "ended" else 7
        return NONE | {"phase": phase, "left": left, "talking": 2 if left else 0, "eta_s": 4.0}

    def post(self, path: str, body: Any = None) -> Any:
        self.asked.append((path, body))
        return NONE


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "EACH_S", 0.0)


def typed(monkeypatch: pytest.MonkeyPatch, gateway: Gateway, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(drain, "connect", lambda *_: gateway)
    result = CliRunner().invoke(app, ["drain", *words])
    return result.exit_code, result.stdout, result.stderr


def test_a_dry_run_shows_the_plan_and_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway()
    code, out, _ = typed(monkeypatch, gateway, "--dry-run")
    assert code == 0
    assert "12 devices leave within 16.5 s" in out
    assert gateway.asked == [("/api/drain", {"dry_run": True, "target": None})]


def test_a_drain_is_begun_after_its_plan_was_shown_and_followed_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = Gateway("leaving", "leaving", "ended")
    code, out, err = typed(monkeypatch, gateway, "--target", "wss://other.example/")
    assert code == 0
    assert "12 devices leave" in out
    assert err.splitlines() == [
        "leaving, 7 left, 2 talking, 4 s at most",
        "ended, 0 left, 4 s at most",
    ]
    assert [body["dry_run"] for _, body in gateway.asked] == [True, False]
    assert {body["target"] for _, body in gateway.asked} == {"wss://other.example/"}


def test_for_programs_each_look_is_a_line_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = typed(monkeypatch, Gateway("leaving", "ended"), "--json")
    assert code == 0
    assert [json.loads(line)["phase"] for line in out.splitlines()] == ["leaving", "ended"]
    code, out, _ = typed(monkeypatch, Gateway(), "--json", "--dry-run")
    assert json.loads(out)["plan"] == PLAN


def test_a_drain_that_was_called_off_ends_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed(monkeypatch, Gateway("leaving", "aborted"))[0] == 1


def test_a_gateway_that_goes_in_the_middle_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _, err = typed(monkeypatch, Gateway("leaving"))
    assert code == 2
    assert "the gateway has gone while it was followed" in err


@pytest.mark.parametrize("what", ["pause", "resume", "abort"])
def test_it_is_held_released_and_called_off(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    gateway = Gateway()
    code, out, _ = typed(monkeypatch, gateway, what)
    assert (code, out) == (0, "the drain is none, 12 devices are left\n")
    assert gateway.asked == [(f"/api/drain/{what}", None)]
