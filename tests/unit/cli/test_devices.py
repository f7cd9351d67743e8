"""The commands about devices, against answers in the shape of the interface's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keepline.admin.views import DeviceView, EndingView, LiveView, RefusalView, SessionView
from keepline.cli import devices
from keepline.cli.client import NotFoundError
from keepline.gateway.endings import Refusal
from keepline.reasons import CloseReason
from tests.unit.cli.command_line import typed
from tests.unit.gateway.fakes import World
from tests.unit.gateway.test_endings import SOME, event_of


class Interface:
    """Answers what it was given, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, **query: Any) -> Any:
        self.asked.append((path, query))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.get(path, **body or {})


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Interface:
    there = Interface()
    monkeypatch.setattr(devices, "connect", lambda *_: there)
    return there


async def listed(*device_ids: str) -> list[dict[str, Any]]:
    world = World()
    lives = [world.connect(device_id) for device_id in device_ids]
    now = world.node.ticker.now
    return [SessionView.of(life.session, now).model_dump(mode="json") for life in lives]


async def test_sessions_reads_page_after_page_and_prints_a_row_for_each(
    interface: Interface,
) -> None:
    one, two = await listed("one", "two")
    interface.answers = [
        {"total": 2, "sessions": [one], "next": 1},
        {"total": 2, "sessions": [two], "next": None},
    ]
    status, shown, _ = typed("sessions", "--state", "active", "--prefix", "o")
    assert status == 0
    head, first, second, total = shown.splitlines()
    assert head.split()[:3] == ["device", "state", "connected"]
    assert first.split()[:4] == ["one", "active", "0", "s"]
    assert second.startswith("two")
    assert total == "2 connected"
    assert [query["cursor"] for _, query in interface.asked] == [0, 1]
    assert interface.asked[0][1] == {"state": "active", "prefix": "o", "cursor": 0, "limit": 1_000}


async def test_sessions_as_json_are_one_list(interface: Interface) -> None:
    sessions = await listed("one")
    interface.answers = [{"total": 1, "sessions": sessions, "next": None}]
    assert json.loads(typed("sessions", "--json")[1]) == sessions


def test_a_device_is_told_in_sentences_and_tables(interface: Interface) -> None:
    refusal = Refusal(SOME.at, "unauthorized", "one", "192.0.2.7", "token missing or wrong")
    ending = EndingView.of(event_of(SOME), SOME.at + 180)
    assert ending is not None
    view = DeviceView(
        device_id="one",
        session=None,
        endings=[ending],
        next=7,
        refusals=[RefusalView.of(refusal, SOME.at + 180)],
    )
    interface.answers = [view.model_dump(mode="json")] * 2
    status, shown, _ = typed("device", "one")
    assert status == 0
    assert shown.startswith("one ended 3 min ago, at 2027-01-15 08:00:00 UTC: heartbeat_timeout")
    assert "3 min ago  us  heartbeat_timeout  1001" in shown
    assert "3 min ago  unauthorized  401     token missing or wrong  192.0.2.7" in shown
    assert shown.count("older ones: keepline device one --after 7") == 1
    assert interface.asked[-1] == ("/api/devices/one", {"after": None, "limit": 8})
    assert json.loads(typed("device", "one", "--json")[1]) == view.model_dump(mode="json")


async def test_a_device_is_told_with_what_it_and_its_last_connection_went_through(
    interface: Interface,
) -> None:
    world = World()
    left = world.connect("one")
    world.pass_time(31.0)
    left.session.close(CloseReason.KICKED)
    left.loses_tcp()
    ended = await world.hub.latest(device_id="one", kind="offline")
    ending = EndingView.of(ended[0], ended[0].at + 65)
    assert ending is not None
    back = world.connect("one")
    live = LiveView.of(back.session, world.node.ticker.now)
    view = DeviceView(device_id="one", session=live, endings=[ending], refusals=[])
    interface.answers = [view.model_dump(mode="json")]
    lines = [line.rstrip() for line in typed("device", "one")[1].splitlines()]
    at = lines.index("this connection:")
    assert lines[at + 1 : at + 4] == [
        "was             for    became          by      because",
        "connecting      0.0 s  authenticating  device  its request was in order",
        "authenticating  0.0 s  active          device  its hello was accepted",
    ]
    at = lines.index("the one that ended 1 min ago:")
    assert lines[at + 4 : at + 7] == [
        "active          30 s   idle            us        no data for session.idle_after_s",
        "idle            0.9 s  disconnecting   operator  kicked",
        "disconnecting   0.0 s  cleanup         device    it hung up",
    ]


async def test_a_transition_that_an_older_process_tells_of_is_shown_by_its_event(
    interface: Interface,
) -> None:
    world = World()
    live = LiveView.of(world.connect("one").session, world.node.ticker.now)
    view = DeviceView(device_id="one", session=live, endings=[], refusals=[])
    told = view.model_dump(mode="json")
    told["session"]["steps"] = [{"state": "active", "event": "hello", "after_s": 12.0}]
    interface.answers = [told]
    _, shown, _ = typed("device", "one")
    assert "-    12 s  active  -   hello" in shown


def test_an_id_is_asked_for_as_one_step_of_the_path(interface: Interface) -> None:
    interface.answers = [{"device_id": "a/b", "session_id": "s", "claim": 1}]
    assert typed("kick", "a/b") == (0, "a/b is being closed (session s)\n", "")
    assert interface.asked[0][0] == "/api/devices/a%2Fb/kick"


@pytest.mark.parametrize("command", ["device", "kick"])
def test_a_device_that_is_not_there_is_told_with_status_2(
    interface: Interface, command: str
) -> None:
    interface.answers = [NotFoundError("one is not connected to this gateway", "")]
    status, shown, complaint = typed(command, "one")
    assert (status, shown) == (2, "")
    assert complaint.splitlines() == [
        "error: one is not connected to this gateway",
        "  → see who is connected: keepline sessions",
    ]


async def test_what_a_device_calls_itself_is_no_markup_and_no_terminal_code(
    interface: Interface,
) -> None:
    (session,) = await listed("[red]x")
    session["address"] = "\x1b[31m"
    interface.answers = [{"total": 1, "sessions": [session], "next": None}]
    _, shown, _ = typed("sessions")
    assert "[red]x" in shown
    assert "\x1b" not in shown


def test_a_message_is_sent_as_the_object_that_it_is(interface: Interface) -> None:
    interface.answers = [{"device_id": "a/b"}]
    typing = ("send", "a/b", '{"type":"system","command":"reboot"}')
    assert typed(*typing) == (0, "it is on its way to a/b\n", "")
    assert interface.asked == [("/api/devices/a%2Fb/send", {"type": "system", "command": "reboot"})]


@pytest.mark.parametrize("text", ["", "reboot", "[]", '"x"'])
def test_what_is_no_json_object_is_not_even_asked_about(interface: Interface, text: str) -> None:
    status, _, complaint = typed("send", "one", text)
    assert status == 2
    assert "keepline send DEVICE" in complaint
    assert interface.asked == []
