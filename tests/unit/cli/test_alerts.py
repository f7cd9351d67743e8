"""`keepline alerts`, against answers in the shape of the interface's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from keepline.cli import alerts
from keepline.cli.client import NotFoundError
from tests.unit.cli.command_line import typed

NOW = datetime.now(UTC)


def ago(minutes: int) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


LEAK: dict[str, Any] = {
    "number": 7,
    "about": "memory_bytes",
    "kind": "trend",
    "scope": "",
    "status": "open",
    "severity": "high",
    "detail": "memory: 402 MB more an hour, a leak",
    "value": 1.0,
    "limit": 2.0,
    "exhausted_in_s": 60.0,
    "since": ago(12),
    "updated_at": ago(0),
    "resolved_at": None,
    "resolution": "",
    "openings": 1,
    "silenced": False,
    "advice": "Look who grows.",
    "actions": [
        {"at": ago(9), "action": "quiet devices are idle", "effect": "", "ended_at": ago(8)},
        {"at": ago(5), "action": "new devices wait", "effect": "3 wait", "ended_at": None},
    ],
    "undone": "",
    "acknowledged": {"at": ago(3), "by": "ann", "note": "on it"},
}
FLAPS = LEAK | {
    "number": 5,
    "about": "leak",
    "kind": "incident",
    "scope": "Assistant\x1b[31m",
    "status": "resolved",
    "severity": "medium",
    "openings": 23,
    "resolved_at": ago(2),
    "resolution": "it has been calm",
    "acknowledged": None,
    "actions": [],
    "undone": "it is its own",
}
SILENCE = {
    "number": 3,
    "about": "rtt_p50_s",
    "kind": "",
    "until": "2027-01-15T08:00:00Z",
    "by": "ann",
    "note": "",
}


class Interface:
    def __init__(self) -> None:
        # Made now: the module may have been loaded minutes ago.
        leak = LEAK | {"since": (datetime.now(UTC) - timedelta(minutes=12)).isoformat()}
        flaps = FLAPS | {"resolved_at": (datetime.now(UTC) - timedelta(minutes=2)).isoformat()}
        self.answer: dict[str, Any] = {"open": [leak], "recent": [flaps], "silences": [SILENCE]}
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.times = 0

    def get(self, path: str) -> Any:
        assert path == "/api/alerts"
        self.times += 1
        return self.answer

    def post(self, path: str, body: dict[str, Any]) -> Any:
        self.posted.append((path, body))
        if body.get("number") == 404:
            raise NotFoundError("nothing", "")
        return SILENCE if path.endswith("/silence") else LEAK


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Interface:
    made = Interface()
    monkeypatch.setattr(alerts, "connect", lambda *_: made)
    monkeypatch.setattr(alerts, "me", lambda: "ann")

    def wait(_self: Event, _timeout: float) -> None:
        if made.times == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Event, "wait", wait)
    return made


def test_what_is_open_was_and_is_silenced_is_listed(interface: Interface) -> None:
    for command in (("alerts",), ("alerts", "list")):
        status, shown, _ = typed(*command)
        assert status == 0
        [open_row] = [line for line in shown.splitlines() if line.lstrip().startswith("7 ")]
        assert open_row.split()[:5] == ["7", "memory_bytes", "trend", "high,", "acknowledged"]
        assert "12 min" in open_row
        assert "a leak · done: new devices" in open_row
        [over] = [line for line in shown.splitlines() if line.lstrip().startswith("5 ")]
        assert "medium, resolved, 23 times" in over
        assert "2 min" in over
        assert "\x1b" not in shown
        assert "silence 3: rtt_p50_s until 2027-01-15 08:00:00 UTC, by ann" in shown
    assert interface.posted == []


def test_where_nothing_is_open_it_says_so(interface: Interface) -> None:
    interface.answer = {"open": [], "recent": [], "silences": []}
    assert typed("alerts")[1] == "nothing is open\n"


def test_one_alert_is_told_in_full(interface: Interface) -> None:
    shown = typed("alerts", "show", "7")[1].splitlines()
    assert shown[0] == "7 · memory_bytes (trend) · high, acknowledged"
    assert shown[1] == LEAK["detail"]
    assert shown[3].startswith("acknowledged by ann, ")
    assert shown[3].endswith(": on it")
    assert shown[4].startswith("done: quiet devices are idle (over since ")
    assert shown[5:] == ["done: new devices wait (3 wait)", "to do: Look who grows."]
    assert "done: nothing, it is its own" in typed("alerts", "show", "5")[1].splitlines()
    assert any("over since" in line for line in typed("alerts", "show", "5")[1].splitlines())
    assert json.loads(typed("alerts", "show", "7", "--json")[1]) == interface.answer["open"][0]
    status, _, told = typed("alerts", "show", "9")
    assert (status, "there is no alert 9" in told) == (2, True)
    assert interface.posted == []


def test_an_alert_is_acknowledged_by_who_is_logged_in(interface: Interface) -> None:
    assert "it is yours" in typed("alerts", "ack", "7", "--note", "on it")[1]
    body = {"number": 7, "by": "ann", "note": "on it"}
    assert interface.posted == [("/api/alerts/acknowledge", body)]
    assert "no alert 404 is open" in typed("alerts", "ack", "404")[2]


def test_something_is_silenced_for_a_time_and_let_go(interface: Interface) -> None:
    shown = typed("alerts", "silence", "rtt_p50_s", "--kind", "anomaly", "--for", "2h")[1]
    assert shown == "silence 3 is until 2027-01-15 08:00:00 UTC\n"
    [(path, body)] = interface.posted
    assert path == "/api/alerts/silence"
    assert (body["about"], body["kind"], body["for_s"]) == ("rtt_p50_s", "anomaly", 7_200)
    assert typed("alerts", "unsilence", "3")[1] == "silence 3 is over\n"
    assert "there is no silence 404" in typed("alerts", "unsilence", "404")[2]


def test_as_json_it_is_the_answer(interface: Interface) -> None:
    assert json.loads(typed("alerts", "--json")[1]) == interface.answer


def test_who_watches_sees_it_anew(interface: Interface) -> None:
    _, shown, _ = typed("alerts", "--watch", "--json")
    assert [json.loads(line) for line in shown.splitlines()] == [interface.answer] * 2
    interface.times = 0
    typed("alerts", "--watch")
    assert interface.times == 2
