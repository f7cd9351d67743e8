"""Who is there, as a service is told: every change of state once, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from keepline.clock import ManualClock
from keepline.gateway.presence import Presence
from keepline.reasons import CloseReason
from keepline.settings.webhook import Webhook as WebhookSettings
from tests.unit.gateway.fakes import World
from tests.unit.gateway.test_endings import SOME

SECRET = "a-secret-for-tests"


class Told:
    """A world whose comings and goings somebody is told."""

    def __init__(self, **changes: Any) -> None:
        self.world = World()
        self.events: list[dict[str, Any]] = []
        url = "http://127.0.0.1/"
        self.presence = Presence(
            WebhookSettings(url=url, secret=SECRET, **changes),
            clock=self.world.clock,
            send=self.events.append,
        )
        self.world.node.presence = self.presence

    def pass_time(self, for_s: float) -> None:
        for _ in range(round(for_s)):
            self.world.pass_time(1.0)
            self.world.node.each_second()

    @property
    def names(self) -> list[tuple[str, int]]:
        return [(event["event"].partition(".")[2], event["claim"]) for event in self.events]


async def test_a_device_that_comes_is_told_with_what_names_its_session() -> None:
    told = Told()
    life = told.world.connect("one")
    assert told.events == [
        {
            "event": "device.online",
            "at": told.world.clock.wall(),
            "device_id": "one",
            "claim": 1,
            "session_id": life.session.session_id,
            "address": "",
        }
    ]


async def test_a_device_that_stays_away_is_told_with_its_ending() -> None:
    told = Told(offline_after_s=10)
    life = told.world.connect("one")
    left_at = told.world.clock.wall()
    life.connection.close(CloseReason.KICKED)
    life.loses_tcp()
    told.pass_time(9)
    assert told.names == [("online", 1)]
    told.pass_time(2)
    assert told.names == [("online", 1), ("offline", 1)]
    event = told.events[-1]
    assert event["at"] == pytest.approx(left_at)  # when it left, not when that was told
    assert (event["device_id"], event["cause"], event["initiator"]) == ("one", "kicked", "operator")
    assert (event["code"], event["advice"], event["state"]) == (4002, "stay_away", "active")
    told.pass_time(60)
    assert len(told.events) == 2


async def test_a_device_that_is_back_in_time_was_never_away() -> None:
    told = Told(offline_after_s=10)
    told.world.connect("one").loses_tcp()
    told.pass_time(9)
    told.world.connect("one").loses_tcp()
    told.pass_time(9)
    assert told.names == [("online", 1)]
    told.pass_time(2)
    assert told.names == [("online", 1), ("offline", 2)]


async def test_a_device_that_is_back_in_other_capitals_was_never_away() -> None:
    told = Told(offline_after_s=10)
    told.world.connect("One").loses_tcp()
    told.pass_time(9)
    life = told.world.connect("ONE")
    told.pass_time(30)
    assert told.names == [("online", 1)]
    life.loses_tcp()
    told.pass_time(11)
    assert [event["device_id"] for event in told.events] == ["One", "ONE"]


async def test_without_a_delay_every_coming_and_going_is_told() -> None:
    told = Told(offline_after_s=0)
    told.world.connect("one").loses_tcp()
    told.world.connect("one")
    assert told.names == [("online", 1), ("offline", 1), ("online", 2)]


@pytest.mark.parametrize("offline_after_s", [0, 10])
async def test_a_takeover_is_neither_a_going_nor_a_coming(offline_after_s: float) -> None:
    told = Told(offline_after_s=offline_after_s)
    old = told.world.connect("one")
    told.world.connect("one")
    old.loses_tcp()
    told.pass_time(30)
    assert told.names == [("online", 1)]


async def test_the_older_session_s_late_cleanup_says_nothing_of_the_newer_one() -> None:
    told = Told(offline_after_s=10)
    old = told.world.connect("one")
    told.world.connect("one").loses_tcp()
    old.loses_tcp()
    told.pass_time(11)
    assert told.names == [("online", 1), ("offline", 2)]


async def test_who_left_before_the_hello_was_never_there() -> None:
    told = Told(offline_after_s=0)
    connection = told.world.greeted(told.world.connect("one").session)
    told.events.clear()
    connection.receiver = type(connection.receiver).__mro__[-2]()  # nobody in particular
    connection.connection_lost(None)
    assert told.events == []


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("device.online", ["device.online"]),
        ("device.offline", ["device.offline"]),
        ("gateway.started", ["gateway.started"]),
        ("", []),
    ],
)
async def test_only_what_is_wanted_is_told(wanted: str, names: list[str]) -> None:
    told = Told(offline_after_s=0, events=wanted)
    told.presence.started()
    told.world.connect("one").loses_tcp()
    assert [event["event"] for event in told.events] == names


async def test_when_the_gateway_leaves_everybody_s_absence_is_told_at_once() -> None:
    told = Told(offline_after_s=10)
    for device_id in ("one", "two"):
        told.world.connect(device_id).loses_tcp()
    told.presence.tell_all()
    assert told.names[2:] == [("offline", 1), ("offline", 2)]


@pytest.mark.parametrize(("leave", "early"), [(2, 0), (3, 0), (4, 1)])
async def test_as_many_are_waited_for_as_may_and_then_the_first_is_told(
    leave: int, early: int
) -> None:
    told = Told(offline_after_s=10, waiting_events=3)
    for number in range(leave):
        told.world.connect(f"device-{number}").loses_tcp()
    offline = [event for event in told.events if event["event"] == "device.offline"]
    assert [event["device_id"] for event in offline] == [f"device-{n}" for n in range(early)]


STEPS = st.lists(st.sampled_from(["connect", "lose newest", "lose oldest", "wait", "wait long"]))


@given(STEPS, st.sampled_from([0, 10]))
@settings(deadline=None, max_examples=60)
async def test_whatever_happens_the_last_word_is_true_and_no_state_is_told_twice(
    steps: list[str], offline_after_s: float
) -> None:
    told = Told(offline_after_s=offline_after_s)
    lives: list[Any] = []
    for step in steps:
        if step == "connect":
            lives.append(told.world.connect("one"))
        elif step.startswith("lose") and lives:
            lives.pop(-1 if step.endswith("newest") else 0).loses_tcp()
        elif step.startswith("wait"):
            told.pass_time(20 if step.endswith("long") else 3)
    told.pass_time(20)
    events = [name for name, _ in told.names]
    assert events == ["online", "offline"] * (len(events) // 2) + ["online"] * (len(events) % 2)
    is_there = told.world.node.registry.by_device("one") is not None
    assert is_there == (events[-1:] == ["online"])


class Gone:
    """A presence that is told endings by hand."""

    def __init__(self, offline_after_s: float = 10.0) -> None:
        self.events: list[dict[str, Any]] = []
        self.presence = Presence(
            WebhookSettings(url="http://x/", secret=SECRET, offline_after_s=offline_after_s),
            clock=ManualClock(),
            send=self.events.append,
        )

    def ends(self, device_id: str, now: float, **changes: Any) -> None:
        self.presence.offline(device_id, structs.replace(SOME, **changes), now)

    def told_at(self, now: float) -> list[tuple[object, object]]:
        self.presence.each_second(now)
        return [(event["device_id"], event["claim"]) for event in self.events]


@pytest.mark.parametrize("changes", [{"cause": "replaced"}, {"newer_claim": 18}])
def test_who_is_connected_elsewhere_is_not_away(changes: dict[str, Any]) -> None:
    gone = Gone(offline_after_s=0)
    gone.ends("one", 0.0, **changes)
    assert gone.events == []
    gone.ends("one", 0.0)
    assert len(gone.events) == 1


def test_an_older_session_whose_cleanup_took_longer_is_not_the_last_word() -> None:
    gone = Gone()
    gone.ends("one", 0.0, claim=2)
    gone.ends("one", 5.0, claim=1)
    assert gone.told_at(10.0) == [("one", 2)]
    assert gone.told_at(60.0) == [("one", 2)]


def test_who_left_last_is_told_last() -> None:
    gone = Gone()
    gone.ends("one", 0.0, claim=1)
    gone.ends("two", 1.0, claim=2)
    gone.ends("one", 2.0, claim=3)
    assert gone.told_at(11.0) == [("two", 2)]
    assert gone.told_at(12.0) == [("two", 2), ("one", 3)]
