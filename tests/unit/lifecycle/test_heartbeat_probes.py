"""Devices that never pong: how they are found out, and how they are judged then."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from keepline.lifecycle.heartbeat import (
    LEARNING,
    MUTE,
    PINGED,
    PROBED,
    Heartbeat,
    HeartbeatPolicy,
    Judge,
    Verdict,
    means_of_asking,
)
from tests.unit.lifecycle.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

ADAPTIVE = HeartbeatPolicy()
SEED = HeartbeatPolicy(preset="seed")


def quick(_: float) -> float:
    return 0.05


def until(s: float) -> Callable[[float], float | None]:
    return lambda at: 0.05 if at < s else None


def asked(hb: Heartbeat, times: int = 1) -> None:
    judge = Judge(ADAPTIVE)
    for number in range(times):
        judge.ping_payload(hb, 1_000.0 + number)


# -- who is asked how ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("never_pongs", "answers_probes", "kernel_judges", "means"),
    [
        (False, False, True, PINGED),
        (False, False, False, PINGED),
        (False, True, True, LEARNING),
        (False, True, False, LEARNING),
        (True, True, True, PROBED),
        (True, True, False, PROBED),
        (True, False, True, MUTE),
        (True, False, False, PINGED),
    ],
)
def test_profile_hello_and_kernel_decide_how_a_peer_is_asked(
    *, never_pongs: bool, answers_probes: bool, kernel_judges: bool, means: int
) -> None:
    assert means == means_of_asking(
        never_pongs=never_pongs, answers_probes=answers_probes, kernel_judges=kernel_judges
    )


def test_the_ping_after_one_without_a_pong_brings_a_probe_besides() -> None:
    hb = Heartbeat(1_000.0, means=LEARNING)
    asked(hb)
    assert (hb.is_pinged, hb.is_probed) == (True, False)
    asked(hb)
    assert (hb.is_pinged, hb.is_probed) == (True, True)


def test_whoever_ponged_once_is_never_probed() -> None:
    hb, judge = Heartbeat(1_000.0, means=LEARNING), Judge(ADAPTIVE)
    assert hb.receive_pong(judge.ping_payload(hb, 1_000.0), 1_000.1) is not None
    assert hb.means == PINGED
    asked(hb, 5)
    assert (hb.is_pinged, hb.is_probed) == (True, False)


def test_whoever_answered_a_probe_is_pinged_no_more() -> None:
    hb = Heartbeat(1_000.0, means=LEARNING)
    asked(hb, 3)
    assert hb.receive_answer(3, 1_002.25) == pytest.approx(0.25)
    assert hb.means == PROBED
    assert (hb.is_pinged, hb.is_probed) == (False, True)
    assert (hb.pings, hb.pongs) == (3, 1)
    assert hb.average_rtt_s == pytest.approx(0.25)


@pytest.mark.parametrize("number", [0, 1, 2, 4, 2**32 + 3, 2**64])
def test_the_answer_to_another_probe_gives_no_round_trip(number: int) -> None:
    hb = Heartbeat(1_000.0, means=PROBED)
    asked(hb, 3)
    assert hb.receive_answer(number, 1_002.25) is None
    assert hb.round_trips is None
    assert hb.receive_answer(3, 1_002.25) is not None
    assert hb.receive_answer(3, 1_002.25) is None


@pytest.mark.parametrize("means", [PINGED, MUTE])
def test_who_is_not_probed_cannot_answer_one(means: int) -> None:
    hb = Heartbeat(1_000.0, means=means)
    asked(hb, 3)
    assert hb.receive_answer(3, 1_002.25) is None
    assert hb.means == means


# -- how they are judged -------------------------------------------------------------------


@pytest.mark.parametrize("policy", [ADAPTIVE, SEED])
def test_a_device_that_answers_probes_alone_lives_for_ever(policy: HeartbeatPolicy) -> None:
    watch = Watch(policy, means=LEARNING, answer_probe=quick)
    watch.run(600.0)
    assert watch.verdicts[-1][1] is Verdict.HEALTHY
    assert len(watch.pings) == 2
    assert len(watch.suspicions) <= (policy is SEED)  # its second ping leaves at 60 s
    assert watch.zombie_at is None


def test_a_device_that_pongs_is_never_sent_a_probe() -> None:
    watch = Watch(ADAPTIVE, means=LEARNING, answer=quick, answer_probe=quick)
    watch.run(600.0)
    assert watch.probes == []
    assert watch.zombie_at is None


def test_a_probed_device_that_goes_is_given_up_long_before_the_oldest_age() -> None:
    watch = Watch(ADAPTIVE, means=PROBED, answer_probe=until(100.0))
    watch.run(200.0)
    last_sign = watch.hb.last_rx - 1_000.0
    assert watch.zombie_at is not None
    # The interval and 5.5 P, where P is four times probe_min_s.
    assert 22.0 <= watch.zombie_at - last_sign <= 15.0 + 5.5 * 4.0
    assert watch.pings == []


def test_the_main_task_of_a_probed_device_may_be_busy_for_twenty_seconds() -> None:
    busy = Watch(
        ADAPTIVE,
        means=PROBED,
        streaming=True,
        answer_probe=lambda at: 0.05 if at < 30.0 else max(0.05, 50.0 - at),
    )
    busy.run(30.0, data_every_s=0.1)
    busy.run(120.0)  # taking a photo, say: no audio, no answer until 50 s
    assert busy.zombie_at is None
    assert busy.suspicions


def test_a_probed_device_that_never_answered_one_is_judged_by_the_ages() -> None:
    watch = Watch(ADAPTIVE, means=PROBED)
    watch.run(100.0)
    assert watch.suspicions == [60.0]
    assert watch.zombie_at == 90.0


def test_a_device_that_answers_neither_is_judged_by_the_ages() -> None:
    watch = Watch(ADAPTIVE, means=LEARNING)
    watch.run(100.0)
    assert watch.probes
    assert watch.zombie_at == 90.0


def test_no_missing_answer_counts_while_bytes_arrive() -> None:
    for means in (LEARNING, PROBED, MUTE):
        watch = Watch(ADAPTIVE, means=means, streaming=True)
        watch.run(600.0, data_every_s=0.1)
        assert watch.suspicions == []


@pytest.mark.parametrize("policy", [ADAPTIVE, SEED])
def test_a_mute_device_is_left_to_the_kernel_and_pinged_for_it(policy: HeartbeatPolicy) -> None:
    watch = Watch(policy, means=MUTE)
    watch.run(600.0)
    assert watch.suspicions == []
    assert watch.zombie_at is None
    gaps = [later - earlier for earlier, later in pairwise(watch.pings)]
    assert max(gaps) <= policy.ping_every_s + 0.1
    assert len(watch.pings) <= 600 / policy.ping_every_s + 1


def test_a_mute_device_costs_one_look_for_each_ping() -> None:
    hb, judge = Heartbeat(1_000.0, means=MUTE), Judge(ADAPTIVE)
    judge.first_due(hb, 1_000.0, 0.5)
    look = judge.look(hb, hb.asked_at, 0.5)
    assert look.ping
    assert look.due == hb.asked_at + 15.0
    assert judge.ask_again(hb, hb.asked_at + 20.0, 0.5) is None
    early = judge.look(hb, hb.asked_at + 7.0, 0.5)
    assert (early.ping, early.due) == (False, hb.asked_at + 15.0)
