"""`keepline doctor`: what it prints, and its status."""

from __future__ import annotations

import inspect
import json

import pytest

from keepline.app.doctor import examination
from keepline.app.doctor.diagnosis import Diagnosis, ok, problem, warning
from keepline.cli.doctor import doctor, lines_of
from keepline.cli.serving import serve
from keepline.settings import Settings
from tests.unit.cli.command_line import typed

FOUND = [
    ok("open files", "20000 are allowed"),
    warning("clock", "nothing keeps it right", "have it kept"),
    problem("state", "\x1b[31mcannot write", "give another"),
]


class Judge:
    """Lets in whoever comes."""

    async def judge(self, _: object) -> None:
        raise NotImplementedError


def examined(monkeypatch: pytest.MonkeyPatch, found: list[Diagnosis]) -> None:
    monkeypatch.setattr(examination, "examine", lambda *_, **__: list(found))


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


def test_whatever_serve_takes_doctor_takes_too() -> None:
    ours, of_serve = (inspect.signature(each).parameters for each in (doctor, serve))
    assert of_serve.keys() - ours.keys() == {"reload"}  # a start for who changes the code
    assert [ours[name] for name in ours if name in of_serve] == [
        of_serve[name] for name in of_serve if name != "reload"
    ]


def diagnoses(*arguments: str) -> dict[str, tuple[str, str]]:
    ports = ("--port", "0", "--admin-port", "0")
    _, said, complaints = typed("doctor", *arguments, *ports, "--json")
    assert complaints == ""
    return {each["check"]: (each["standing"], each["found"]) for each in json.loads(said)}


def test_a_handler_is_loaded_as_serve_would_and_one_that_cannot_be_is_a_problem() -> None:
    assert diagnoses("keepline.handlers.echo:Echo")["handler"][0] == "ok"
    missing = diagnoses("keepline.handlers.echo:Bot")["handler"]
    assert missing == ("problem", "keepline.handlers.echo has no Bot")
    both = diagnoses("echo", "--upstream", "ws://127.0.0.1/x")["handler"]
    assert (both[0], "an upstream's" in both[1]) == ("problem", True)
    assert "handler" not in diagnoses()


def test_who_judges_devices_in_place_of_the_settings_is_told_in_place_of_their_token() -> None:
    line, check = ("--host", "0.0.0.0", "--auth"), "devices' token"
    judge = "tests.unit.cli.test_doctor:Judge"
    assert diagnoses(*line, judge)[check] == ("ok", f"judged by {judge}")
    assert diagnoses(*line, "tests.unit.cli.test_doctor:Nobody")[check][0] == "problem"


def test_a_line_of_serve_can_be_examined_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []

    def examine(settings: Settings, *_: object, **__: object) -> list[Diagnosis]:
        seen.append(settings)
        return [*FOUND]

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
