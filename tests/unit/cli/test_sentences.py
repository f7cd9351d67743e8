"""What an operator reads of a device."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from keepline.admin.views import DeviceView, EndingView, LiveView, RefusalView, TotalsView
from keepline.cli.sentences import in_ms, lasted, sentences_about
from keepline.gateway.endings import Ending, Refusal
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World
from tests.unit.gateway.test_endings import SOME, event_of


def view(*endings: Ending, session: LiveView | None = None, **more: Any) -> dict[str, Any]:
    """Return what the interface answers, three minutes after the ending."""
    seen = [EndingView.of(event_of(ending), SOME.at + 180) for ending in endings]
    told = [each for each in seen if each is not None]
    device = DeviceView(device_id="one", session=session, endings=told, **{"refusals": [], **more})
    return device.model_dump(mode="json")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (3_660, "1 h 1 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert lasted(seconds) == words


def test_a_short_round_trip_has_a_decimal() -> None:
    assert [in_ms(s) for s in (0.0003, 0.0099, 0.01, 2.5)] == [
        "0.3 ms",
        "9.9 ms",
        "10 ms",
        "2500 ms",
    ]


def test_an_ending_says_when_who_why_and_what_comes_of_it() -> None:
    ended, condition, advice = sentences_about(view(SOME))
    assert ended == (
        "one ended 3 min ago, at 2027-01-15 08:00:00 UTC: heartbeat_timeout, we ended it,"
        " close code 1001."
    )
    assert condition == (
        "It was idle and 1 h old; last frame 42 s before, last byte 19 s before,"
        " RTT 18 ms, 240 pings, 3 unanswered."
    )
    assert advice == "For the device: it may come back at once."


def test_the_normal_end_is_said_to_be_normal() -> None:
    *_, last = sentences_about(view(structs.replace(SOME, cause="device_closed")))
    assert "the normal end of a conversation" in last
    text = " ".join(sentences_about(view(structs.replace(SOME, cause="device_closed"))))
    assert not any(word in text.lower() for word in ("error", "fail", "lost", "abnormal"))


def test_a_takeover_names_both_claims() -> None:
    replaced = structs.replace(SOME, cause="replaced", newer_claim=18)
    text = " ".join(sentences_about(view(replaced)))
    assert "Claim 18 had taken the device over from claim 17" in text
    assert "something has to change first" in text


def test_what_the_device_did_is_said_with_the_cause() -> None:
    said = structs.replace(SOME, cause="device_said_close", detail="code 1000")
    assert "device_said_close (code 1000), the device ended it." in sentences_about(view(said))[0]


@pytest.mark.parametrize("reason", [each for each in CloseReason if each.status is None])
def test_every_ending_can_be_told(reason: CloseReason) -> None:
    told = sentences_about(view(structs.replace(SOME, cause=reason.cause, average_rtt_s=None)))
    assert reason.cause in told[0]
    assert "no pong so far" in told[1]


async def test_a_device_that_is_connected_is_told_by_its_session() -> None:
    world = World()
    life = world.connect("one")
    life.connection.address = "192.0.2.7"
    world.pass_time(65.5)
    now = world.node.ticker.now
    (sentence,) = sentences_about(view(SOME, session=LiveView.of(life.session, now)))
    assert sentence.startswith("one has been connected for 1 min, from 192.0.2.7: idle for 35 s, ")
    assert sentence.endswith(f"(session {life.session.session_id}, claim 1).")


async def test_of_a_device_that_sends_too_much_it_is_told_since_when() -> None:
    world = World()
    live = LiveView.of(world.connect("one").session, world.node.ticker.now)
    live.held_back_s = 3
    assert sentences_about(view(SOME, session=live))[1] == (
        "It sends more messages than `wire.messages_per_s` allows, for 3 s now, and is read less."
    )


async def test_how_long_a_device_is_so_is_left_out_where_it_is_not_told() -> None:
    world = World()
    live = LiveView.of(world.connect("one").session, world.node.ticker.now)
    told = view(SOME, session=live)
    del told["session"]["state_s"]  # the process that leaves is older
    assert ": active, healthy; last frame" in sentences_about(told)[0]


def test_who_was_never_pinged_is_not_told_of_with_noughts() -> None:
    fresh = structs.replace(SOME, pings=0, ping_failures=0, average_rtt_s=None)
    assert sentences_about(view(fresh))[1].endswith("last byte 19 s before, never pinged.")


def test_a_device_that_was_only_refused_is_told_by_the_last_refusal() -> None:
    refusal = Refusal(SOME.at, "unauthorized", "one", "192.0.2.7", "token missing or wrong")
    told = view(refusals=[RefusalView.of(refusal, SOME.at + 5)])
    (sentence,) = sentences_about(told)
    assert "5 s ago with 401 unauthorized: token missing or wrong." in sentence


def test_who_was_let_in_and_said_nothing_is_told_without_a_status() -> None:
    refusal = Refusal(SOME.at, "hello_timeout", "one", "192.0.2.7", "")
    (sentence,) = sentences_about(view(refusals=[RefusalView.of(refusal, SOME.at + 5)]))
    assert sentence.endswith("were refused, 5 s ago with hello_timeout.")


def test_totals_and_a_store_that_is_away_are_told_last() -> None:
    at = datetime.fromtimestamp(SOME.at, UTC)
    totals = TotalsView(
        first_at=at,
        last_at=at,
        sessions=3,
        resumed=2,
        connected_s=7_200,
        pings=9,
        ping_failures=1,
        average_rtt_s=0.02,
    )
    *_, told, last = sentences_about(view(SOME, totals=totals, store="away"))
    assert told == (
        "Since 2027-01-15 it has had 3 sessions that ended, 2 of them resumed, connected for 2 h"
        " in all, RTT 20 ms, 9 pings, 1 unanswered."
    )
    assert last == "Its history is not known now: the store cannot be asked."
    assert "last endings are forgotten" in sentences_about(view(totals=totals))[0]
