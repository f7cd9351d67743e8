"""What is done beside the governor, and why nothing is where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from keepline.app.deeds import ABOUT
from keepline.app.remedies import REMEDIES, UNDONE
from keepline.monitor.alerts.advice import ADVICE
from keepline.reasons import CloseReason
from tests.unit.app.governed import Node


def test_what_is_counted_is_told_once_it_has_grown_and_from_when_the_alert_began() -> None:
    node = Node()
    node.counters.disconnects[CloseReason.FULL] = 1_000
    assert node.told("connections") == [
        "nothing, there is room up to 15,000 (`server.max_connections`)"
    ]
    node.clock.advance(90)
    node.counters.disconnects[CloseReason.FULL] += 12
    assert node.told("connections") == [
        "devices are turned away with 503: 12 turned away in 1.5 min"
    ]


@pytest.mark.parametrize(
    ("about", "change", "told"),
    [
        (
            "mass_suspicion",
            lambda counters: setattr(counters, "verdicts", 3),
            (
                "no more than 1 % of the devices are given up in a second:"
                " 0 more suspected, 3 given up in 10 s"
            ),
        ),
        (
            "loop_blocked",
            lambda counters: setattr(counters, "loop_stalled_s", 1.5),
            (
                "the time that the loop stood still is held against no device:"
                " 0 more stalls, 1.5 s of standing still in 10 s"
            ),
        ),
        (
            "handler_suspended",
            lambda counters: counters.disconnects.update({CloseReason.HANDLER_UNAVAILABLE: 5}),
            (
                "devices are refused and told when to come again, and now and then a few are let in"
                " to see: 5 refused in 10 s"
            ),
        ),
        (
            "store_away",
            lambda _: None,
            (
                "what is to be written waits in memory and is tried again:"
                " 12 writes of 3.0 MB wait, 7 events lost since the start"
            ),
        ),
        (
            "cluster_away",
            lambda counters: counters.disconnects.update({CloseReason.CLUSTER_UNAVAILABLE: 4}),
            (
                "what is to be written waits and is tried again, and who comes is told to come"
                " back: 4 refused in 10 s"
            ),
        ),
        (
            "worker_ended",
            lambda counters: setattr(counters, "sessions_opened", 7),
            (
                "another process was started in its place, and its devices come back to any"
                " worker: 7 devices let in here in 10 s"
            ),
        ),
        (
            "out_of_descriptors",
            lambda counters: counters.disconnects.update({CloseReason.FULL: 2}),
            "devices are turned away with 503: 2 turned away in 10 s",
        ),
        (
            "kick_war",
            lambda counters: counters.disconnects.update({CloseReason.KICK_WAR: 2}),
            "who has the device keeps it, and the other is refused with 409: 2 refused in 10 s",
        ),
        (
            "bans",
            lambda counters: counters.disconnects.update({CloseReason.FLAPPING: 2}),
            "they are refused with 429 until their ban is over: 2 refused in 10 s",
        ),
        (
            "leak",
            lambda _: None,
            "nothing, what a handler has begun is its own, as long as `isolation` allows as much",
        ),
        (
            "certificate_expires",
            lambda _: None,
            "nothing, a certificate is renewed elsewhere; its files are looked at once a minute",
        ),
        (
            "upstream_away",
            lambda counters: counters.disconnects.update({CloseReason.UPSTREAM_LOST: 2}),
            (
                "devices are sent to those that are well, or to all where too few are, and it is"
                " tried now and then: 0 refused as none took them, 2 ended as theirs was lost"
                " in 10 s"
            ),
        ),
    ],
)
def test_of_each_incident_it_is_told_what_is_done_and_how_much(
    about: str, change: Any, told: str
) -> None:
    node = Node()
    node.told(about, "incident")
    node.clock.advance(10)
    change(node.counters)
    assert node.told(about, "incident") == [told]


def test_queues_that_are_full_tell_what_was_dropped_and_who_was_closed() -> None:
    node = Node()
    node.told("queue_depth", "trend")
    node.counters.inbox_audio_dropped = 40
    node.counters.outbox_audio_dropped = 2
    node.counters.disconnects[CloseReason.OUTBOX_OVERFLOW] = 1
    node.counters.peers_held_back = 3
    node.clock.advance(5)
    assert [each.partition(": ")[2] for each in node.told("queue_depth", "trend")] == [
        "42 frames dropped in 5 s",
        "1 closed in 5 s",
        "3 times in 5 s",
    ]


@pytest.mark.parametrize("about", ["disconnects_per_s", "handshake_failures_per_s"])
def test_of_who_comes_too_often_it_is_told_how_many_were_held_up_or_refused(about: str) -> None:
    node = Node()
    assert "nobody came so often" in node.told(about, "anomaly")[0]
    node.counters.holds["address", "denied"] = 2
    node.counters.disconnects[CloseReason.RATE_LIMITED] = 30
    assert node.told(about, "anomaly") == [
        "who comes and goes without end is held up: 2 held up in 0 s",
        "who comes too often is refused with 429: 30 refused in 0 s",
    ]


def test_of_slow_round_trips_it_is_told_by_what_silence_is_judged() -> None:
    node = Node()
    assert node.told("rtt_p50_s", "anomaly") == [
        "nothing, each device has as long to answer as its own round trips ask for"
    ]
    node.judge.stretch = 3.0
    assert "3 times that while our own loop is late" in node.told("rtt_p50_s", "anomaly")[0]
    seed = Node({"heartbeat": {"preset": "seed"}})
    assert "by fixed times" in seed.told("rtt_p50_s", "anomaly")[0]


def test_of_whatever_an_alert_can_be_about_it_is_known_what_is_done_or_why_nothing_is() -> None:
    about = {(str(name), str(kind)) for name, kind in ADVICE}
    remedies = {(str(name), str(kind)): each for (name, kind), each in REMEDIES.items()}
    undone = {(str(name), str(kind)) for name, kind in UNDONE}
    for key in about:
        always = any(each.always for each in remedies.get(key, ()))
        assert always or key in undone or key[0] in ABOUT, key
    assert set(remedies) | undone <= about
