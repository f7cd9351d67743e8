"""`keepline events`, against answers in the shape of the interface's own."""

from __future__ import annotations

import json
from threading import Event
from typing import Any

import pytest

from keepline.cli import events
from keepline.cli.events import line_of
from tests.unit.cli.command_line import typed

CAME = {
    "id": 1,
    "at": "2026-11-25T15:04:46.637000Z",
    "device_id": "one",
    "kind": "online",
    "data": {"claim": 3, "outcome": "resumed", "session_id": "s"},
}
LEFT = CAME | {
    "id": 2,
    "kind": "offline",
    "data": {"cause": "kicked", "initiator": "operator", "code": 4002, "claim": 3},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the interface was asked; it answers with two events, then with none."""
    queries: list[dict[str, Any]] = []

    class Interface:
        def get(self, path: str, **query: Any) -> Any:
            assert path == "/api/events"
            queries.append(query)
            return {"events": [CAME, LEFT] if len(queries) == 1 else [], "next": 2}

    monkeypatch.setattr(events, "connect", lambda *_: Interface())
    return queries


def test_events_are_told_a_line_each(asked: list[dict[str, Any]]) -> None:
    status, shown, _ = typed("events", "--device", "one", "--limit", "2")
    assert status == 0
    assert shown.splitlines() == [
        "2026-11-25 15:04:46  online   one  outcome=resumed claim=3",
        "2026-11-25 15:04:46  offline  one  cause=kicked initiator=operator code=4002 claim=3",
    ]
    assert asked == [{"device": "one", "limit": 2}]


def test_events_as_json_are_one_object_a_line(asked: list[dict[str, Any]]) -> None:
    lines = typed("events", "--json")[1].splitlines()
    assert [json.loads(line) for line in lines] == [CAME, LEFT]
    assert len(asked) == 1


def test_who_follows_asks_for_what_is_behind_the_last(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(self: Event, timeout: float) -> None:
        assert timeout == events.EACH_S
        if len(asked) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Event, "wait", wait)
    typed("events", "--follow")
    assert [query.get("after") for query in asked] == [None, 2, 2]


def test_what_a_device_calls_itself_is_no_terminal_code() -> None:
    assert "\x1b" not in line_of(CAME | {"device_id": "\x1b[31m"})
