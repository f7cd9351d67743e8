"""`keepline doctor`: what it prints, and its status."""

from __future__ import annotations

import json

import pytest

from keepline.app.doctor import examination
from keepline.app.doctor.diagnosis import Diagnosis, ok, problem, warning
from keepline.cli.doctor import lines_of
from keepline.settings import Settings
from tests.unit.cli.command_line import typed

FOUND = [
    ok("open files", "20000 are allowed"),
    warning("clock", "nothing keeps it right", "have it kept"),
    problem("state", "\x1b[31mcannot write", "give another"),
]


def examined(monkeypatch: pytest.MonkeyPatch, found: list[Diagnosis]) -> None:
    monkeypatch.setattr(examination, "examine", lambda *_: found)


def test_what_will_hurt_is_status_1_and_what_may_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for count, status in ((1, 0), (2, 0), (3, 1)):
        examined(monkeypatch, FOUND[:count])
        assert typed("doctor")[0] == status


def test_below_each_thing_stands_what_to_do_and_at_the_end_how_many() -> None:
    lines = [line.plain for line in lines_of(FOUND)]
    assert lines[0] == "ok       open files  20000 are allowed"
    assert [line.strip() for line in lines if "→" in line] == ["→ have it kept", "→ give another"]
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "1 problem, 1 warning"
    assert lines_of(FOUND[:1])[-1].plain == "nothing to do"


def test_programs_get_every_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    examined(monkeypatch, FOUND)
    status, said, _ = typed("doctor", "--json")
    assert status == 1
    assert json.loads(said)[1] == {
        "check": "clock",
        "standing": "warning",
        "found": "nothing keeps it right",
        "advice": "have it kept",
    }


def test_wrong_settings_are_told_before_anything_is_looked_at() -> None:
    status, said, complaints = typed("doctor", "--port", "many")
    assert (status, said, "server.port" in complaints) == (2, "", True)


def test_a_line_of_serve_can_be_examined_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []

    def examine(settings: Settings, *_: object) -> list[Diagnosis]:
        seen.append(settings)
        return FOUND

    monkeypatch.setattr(examination, "examine", examine)
    line = "--host 0.0.0.0 --port 1 --admin-host ::1 --admin-port 2 --token t --upstream ws://a/b"
    typed("doctor", *line.split(), "--insecure", "--data", "state")
    [settings] = seen
    assert (settings.server.port, settings.admin.host, settings.admin.port) == (1, "::1", 2)
    assert (settings.auth.token, settings.auth.insecure) == ("t", True)
    assert settings.upstream.urls == ("ws://a/b",)


def test_this_machine_is_examined_as_it_is() -> None:
    status, said, complaints = typed("doctor", "--port", "0", "--set", "admin.port=0", "--json")
    assert (status in {0, 1}, complaints) == (True, "")
    assert {each["standing"] for each in json.loads(said)} <= {"ok", "warning", "problem"}
