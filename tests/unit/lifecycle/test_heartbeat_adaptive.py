"""The preset `adaptive`: pings for the silent, patience learned, verdicts in seconds."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from keepline.lifecycle.heartbeat import (
    ANSWERED,
    ASKED,
    CONDEMNED,
    FIRST,
    FIRST_DUES,
    LEARNING,
    MUTE,
    PINGED,
    PROBED,
    SUSPECTED,
    Heartbeat,
    HeartbeatPolicy,
    Judge,
    Verdict,
)

from .watch import START, Watch

ADAPTIVE = HeartbeatPolicy()


def dies_at(death_s: float, rtt_s: float, offset_s: float, u: float) -> Watch:
    return Watch(
        ADAPTIVE, lambda at_s: rtt_s if at_s + rtt_s < death_s else None, u=u, offset_s=offset_s
    )


def patience_s(watch: Watch) -> float:
    return watch.hb.patience_s(1.0, 10.0)


@settings(max_examples=60, deadline=None)
@given(
    death_s=st.floats(60, 100),
    rtt_s=st.floats(0.001, 1.7),
    offset_s=st.floats(0, 0.0999),
    u=st.floats(0, 0.999),
)
def test_an_idle_death_is_found_within_25_seconds_while_patience_is_up_to_1_8(
    death_s: float, rtt_s: float, offset_s: float, u: float
) -> None:
    watch = dies_at(death_s, rtt_s, offset_s, u)
    watch.run(60)
    assume(patience_s(watch) <= 1.8)
    watch.run(death_s + 30)
    assert watch.zombie_at is not None
    last_byte_s = watch.hb.last_rx - START - offset_s
    assert watch.zombie_at - last_byte_s <= 25.0


def test_the_idle_bound_is_not_reached_by_being_hasty() -> None:
    watch = dies_at(60, 0.05, 0.03, 0.999)
    watch.run(60)
    watch.run(100)
    last_byte_s = watch.hb.last_rx - START - 0.03
    assert watch.zombie_at is not None
    assert watch.zombie_at - last_byte_s == pytest.approx(14.5 + 5.5, abs=0.6)


def test_the_probes_of_a_round_leave_after_p_p_and_one_and_a_half_p_and_two_p_are_waited() -> None:
    watch = dies_at(50, 0.05, 0.0, 0.0)
    watch.run(100)
    first = watch.pings[-4]
    assert [round(at - first, 1) for at in watch.pings[-4:]] == [0.0, 1.0, 2.0, 3.5]
    assert watch.suspicions == [first + 1.0]
    assert watch.zombie_at == pytest.approx(first + 5.5)
    assert watch.hb.failures == 4


@settings(max_examples=60, deadline=None)
@given(offset_s=st.floats(0, 0.0999), u=st.floats(0, 0.999), life_s=st.floats(1, 40))
def test_a_death_while_streaming_is_found_within_3_seconds(
    offset_s: float, u: float, life_s: float
) -> None:
    watch = Watch(
        ADAPTIVE,
        lambda at_s: 0.05 if at_s < life_s else None,
        u=u,
        offset_s=offset_s,
        streaming=True,
    )
    watch.run(life_s, data_every_s=0.1)
    watch.receive_pongs()
    last_byte_s = watch.hb.last_rx - START - offset_s
    watch.run(life_s + 5)
    assert watch.zombie_at is not None
    assert watch.zombie_at - last_byte_s <= 3.0


def test_a_device_that_begins_to_stream_is_asked_at_once() -> None:
    watch = Watch(ADAPTIVE, lambda _: 0.05, streaming=True)
    assert watch.pings == [0.0]


def test_streaming_without_a_gap_costs_one_ping() -> None:
    watch = Watch(ADAPTIVE, lambda _: 0.05, streaming=True)
    watch.run(120, data_every_s=0.1)
    assert watch.pings == [0.0]
    assert watch.suspicions == []


def test_a_device_that_talks_is_not_pinged_after_its_first_ping() -> None:
    watch = Watch(ADAPTIVE, lambda _: 0.05)
    watch.run(120, data_every_s=5.0)
    assert len(watch.pings) == 1


@pytest.mark.parametrize(("u", "due_s"), [(0.0, 7.5), (0.5, 11.25), (0.999, 14.9925)])
def test_first_pings_are_spread_over_the_second_half_of_the_interval(
    u: float, due_s: float
) -> None:
    judge, hb = Judge(ADAPTIVE), Heartbeat(START)
    due = judge.first_due(hb, START, u)
    assert START + due_s - 7.5 / FIRST_DUES <= due <= START + due_s
    assert not judge.look(hb, due - 0.001, u).ping
    assert judge.look(hb, due + 0.001, u).ping


def test_those_who_begin_together_have_few_times_for_their_first_pings_between_them() -> None:
    judge, hearts = Judge(ADAPTIVE), [Heartbeat(START) for _ in range(1_000)]
    for number, hb in enumerate(hearts):
        judge.first_due(hb, START + number / 10_000, number / 1_000)
    assert len({id(hb.asked_at) for hb in hearts}) <= FIRST_DUES + 2


@settings(deadline=None)
@given(st.floats(0, 0.999999), st.floats(0, 0.5), st.floats(1, 59))
def test_jitter_stays_within_its_share_and_within_the_interval(
    u: float, jitter: float, interval_s: float
) -> None:
    judge = Judge(HeartbeatPolicy(interval_s=interval_s, jitter=jitter))
    hb = Heartbeat(START, stage=0, packed=b"")
    delay_s = judge.look(hb, START, u).due - START
    latest_s = interval_s - 0.5
    middle_s = latest_s / (1 + jitter)
    assert middle_s * (1 - jitter) - 1e-6 <= delay_s <= middle_s * (1 + jitter) + 1e-6
    assert delay_s < interval_s


def test_any_byte_returns_a_suspect_to_healthy() -> None:
    watch = dies_at(20, 0.05, 0.0, 0.5)
    watch.run(20)
    while watch.verdict() is not Verdict.SUSPICIOUS:
        watch.run(watch.since_start_s + 0.1)
    watch.hear()
    assert watch.verdict() is Verdict.HEALTHY
    watch.run(watch.since_start_s + 13)
    assert watch.verdicts[-1][1] is Verdict.HEALTHY
    assert watch.zombie_at is None


def test_even_a_condemned_device_that_is_held_back_may_return() -> None:
    watch = dies_at(20, 0.05, 0.0, 0.5)
    watch.run(45)
    assert watch.verdict() is Verdict.ZOMBIE
    failures = watch.hb.failures
    watch.run(50)
    assert watch.hb.failures == failures
    watch.hear()
    watch.run(53)
    assert watch.verdict() is Verdict.HEALTHY


def test_a_byte_in_the_tick_of_the_ping_counts_as_an_answer() -> None:
    judge, hb = Judge(ADAPTIVE), Heartbeat(START)
    judge.first_due(hb, START, 0.0)
    assert judge.look(hb, START + 8, 0.0).ping
    hb.last_rx = START + 8
    look = judge.look(hb, START + 9, 0.0)
    assert look.verdict is Verdict.HEALTHY
    assert hb.stage == 0


def test_a_peer_that_never_pongs_survives_until_zombie_s_of_silence() -> None:
    watch = Watch(ADAPTIVE)
    watch.run(89.9)
    assert watch.zombie_at is None
    assert watch.suspicions == [60.0]
    watch.run(95)
    assert watch.zombie_at == 90.0
    assert watch.hb.pongs == 0


def test_a_peer_that_never_pongs_but_talks_now_and_then_is_never_suspected() -> None:
    watch = Watch(ADAPTIVE)
    watch.run(1_000, data_every_s=55.0)
    assert watch.suspicions == []


def test_a_peer_that_never_pongs_is_not_killed_in_a_pause_of_its_audio() -> None:
    watch = Watch(ADAPTIVE, streaming=True)
    watch.run(5, data_every_s=0.1)
    watch.run(60)
    assert watch.suspicions == []


def test_a_peer_that_has_become_slow_is_learned_instead_of_suspected_for_ever() -> None:
    watch = Watch(ADAPTIVE, lambda at_s: 0.05 if at_s < 60 else 2.5)
    watch.run(600)
    assert watch.zombie_at is None
    assert 1 <= len(watch.suspicions) <= 3
    assert patience_s(watch) > 2.5


def test_no_silence_outlasts_zombie_s_however_long_an_answer_may_take() -> None:
    watch = Watch(ADAPTIVE, lambda at_s: 9.0 if at_s < 60 else None)
    watch.judge.stretch = 9.0
    watch.run(300)
    last_byte_s = watch.hb.last_rx - START
    assert watch.zombie_at == pytest.approx(last_byte_s + 90, abs=0.2)


def test_a_condemned_device_that_was_never_a_suspect_is_counted_as_one() -> None:
    judge, hb = Judge(ADAPTIVE), Heartbeat(START, stage=ASKED, asked_at=START + 80)
    look = judge.look(hb, START + 90, 0.0)
    assert look.verdict is Verdict.ZOMBIE
    assert look.became_suspicious
    assert hb.stage == CONDEMNED


def known(rtt_s: float) -> tuple[Judge, Heartbeat]:
    """A device with one round trip behind it, asked again 20 s later."""
    judge, hb = Judge(ADAPTIVE), Heartbeat(START)
    judge.first_due(hb, START, 0.0)
    assert judge.look(hb, START + 8, 0.0) == (Verdict.HEALTHY, True, START + 9, False)
    hb.receive_pong(judge.ping_payload(hb, START + 8), START + 8 + rtt_s)
    hb.last_rx = START + 9
    assert judge.look(hb, START + 30, 0.0) == (Verdict.HEALTHY, True, START + 31, False)
    judge.ping_payload(hb, START + 30)
    return judge, hb


def test_every_look_names_the_next_due_time() -> None:
    judge, hb = known(0.5)  # P = 0.5 + 4 * 0.25
    assert judge.look(hb, START + 31, 0.0) == (Verdict.HEALTHY, False, START + 31.5, False)
    assert judge.look(hb, START + 31.5, 0.0) == (Verdict.SUSPICIOUS, True, START + 33, True)
    assert judge.look(hb, START + 32, 0.0) == (Verdict.SUSPICIOUS, False, START + 33, False)
    assert judge.look(hb, START + 33, 0.0) == (Verdict.SUSPICIOUS, True, START + 35.25, False)
    assert judge.look(hb, START + 35.25, 0.0) == (Verdict.SUSPICIOUS, True, START + 38.25, False)
    assert judge.look(hb, START + 38.25, 0.0) == (Verdict.ZOMBIE, False, START + 39.25, False)
    assert judge.look(hb, START + 39.25, 0.0) == (Verdict.ZOMBIE, False, START + 40.25, False)
    assert hb.failures == 4


def test_the_outer_bound_ends_the_last_wait() -> None:
    judge, hb = known(2.5)  # P = 7.5
    hb.last_rx = START - 50
    assert judge.look(hb, START + 37.5, 0.0).due == START + 40
    assert judge.look(hb, START + 39.9, 0.0).verdict is Verdict.SUSPICIOUS
    assert judge.look(hb, START + 40, 0.0).verdict is Verdict.ZOMBIE


@pytest.mark.parametrize("streaming", [True, False])
def test_a_suspect_that_lives_is_given_twice_its_time_from_then_on(*, streaming: bool) -> None:
    judge, hb = known(0.5)
    hb.streaming = streaming
    assert judge.look(hb, START + 31.5, 0.0).became_suspicious
    hb.last_rx = START + 31.6
    assert judge.look(hb, START + 31.6, 0.0).verdict is Verdict.HEALTHY
    assert hb.patience_s(1.0, 10.0) == pytest.approx(3.0)


@given(
    stage=st.sampled_from([FIRST, ANSWERED, ASKED, SUSPECTED, CONDEMNED]),
    heard_s=st.floats(-20, 20),
    asked_s=st.floats(-20, 20),
    streaming=st.booleans(),
    means=st.sampled_from([PINGED, LEARNING, PROBED, MUTE]),
    u=st.floats(0, 1, exclude_max=True),
)
def test_who_is_asked_again_would_have_been_asked_by_a_look_and_by_the_next_after_its_answer(
    *, stage: int, heard_s: float, asked_s: float, streaming: bool, means: int, u: float
) -> None:
    judge = Judge(ADAPTIVE)
    hearts = [
        Heartbeat(
            START + heard_s,
            asked_at=START + asked_s,
            stage=stage,
            streaming=streaming,
            means=means,
        )
        for _ in range(2)
    ]
    again, looked = hearts
    before = structs.astuple(again)
    due = judge.ask_again(again, START, u)
    look = judge.look(looked, START, u)
    if due is None:
        assert structs.astuple(again) == before
        unanswered = stage == ASKED and heard_s < asked_s
        assert not look.ping or streaming or means == MUTE or unanswered or stage >= SUSPECTED
        return
    assert look == (Verdict.HEALTHY, True, START + 1.0, False)
    assert structs.astuple(again) == structs.astuple(looked)
    looked.last_rx = START
    assert judge.look(looked, START + 1.0, u).due == pytest.approx(due)


def test_streaming_is_judged_from_the_last_byte_on() -> None:
    judge, hb = known(0.05)
    hb.streaming = True
    hb.last_rx = START + 31
    assert judge.look(hb, START + 31.3, 0.0) == (Verdict.HEALTHY, False, START + 31.6, False)
    assert judge.look(hb, START + 31.6, 0.0).ping


def test_stretch_lengthens_every_wait_for_an_answer() -> None:
    watch = dies_at(50, 0.05, 0.0, 0.0)
    watch.run(50)
    watch.judge.stretch = 3.0
    watch.run(100)
    first = watch.pings[-4]
    assert [round(at - first, 1) for at in watch.pings[-4:]] == [0.0, 3.0, 6.0, 10.5]


def test_a_probe_that_we_send_late_still_gets_its_whole_wait() -> None:
    judge, hb = Judge(ADAPTIVE), Heartbeat(START)
    judge.first_due(hb, START, 0.0)
    judge.look(hb, START + 8, 0.0)
    hb.receive_pong(judge.ping_payload(hb, START + 8), START + 8.05)
    hb.last_rx = START + 8.1
    judge.look(hb, START + 9, 0.0)
    judge.look(hb, START + 23, 0.0)
    late = judge.look(hb, START + 33, 0.0)
    assert (late.verdict, late.ping) == (Verdict.SUSPICIOUS, True)
    assert late.due == pytest.approx(START + 34)


def test_streaming_that_begins_during_a_round_does_not_cut_its_wait_short() -> None:
    watch = dies_at(50, 0.05, 0.0, 0.0)
    while len(watch.suspicions) < 1 or watch.hb.stage < 4:
        watch.run(watch.since_start_s + 0.1)
    watch.hb.streaming = True
    look = watch.judge.look(watch.hb, watch.now, 0.0)
    assert look.verdict is Verdict.SUSPICIOUS
    assert look.due == pytest.approx(watch.now + 1.0)


def test_no_verdict_in_three_device_weeks_of_radio_with_gaps_of_up_to_five_seconds() -> None:
    chance = random.Random(42)

    def round_trip_s(_: float) -> float:
        hiccup_s = chance.uniform(0.5, 4.0) if chance.random() < 0.01 else 0.0
        return min(chance.lognormvariate(-2.5, 0.8) + hiccup_s, 5.0)

    judge, hb, now = Judge(ADAPTIVE), Heartbeat(START), START
    due = judge.first_due(hb, now, 0.5)
    answers: list[tuple[float, bytes]] = []
    while now < START + 21 * 86_400:
        if answers and answers[0][0] <= due:
            now, payload = answers.pop(0)
            hb.last_rx = now
            hb.receive_pong(payload, now)
            continue
        now = max(now, due)
        look = judge.look(hb, now, chance.random())
        assert look.verdict is not Verdict.ZOMBIE
        due = look.due
        if look.ping:
            answers.append((now + round_trip_s(now), judge.ping_payload(hb, now)))
            answers.sort()
    assert hb.pings > 100_000


def test_who_is_hastened_is_asked_at_the_next_look_and_then_judged_as_ever() -> None:
    judge = Judge(ADAPTIVE)
    hb = Heartbeat(last_rx=START)
    judge.first_due(hb, START, 0.5)
    assert judge.hasten(hb, START + 1)
    look = judge.look(hb, START + 1, 0.5)
    assert (look.ping, look.verdict, hb.stage) == (True, Verdict.HEALTHY, ASKED)
    hb.last_rx = START + 2
    assert not judge.look(hb, START + 3, 0.5).ping


def test_who_is_asked_already_or_streams_is_not_hastened() -> None:
    judge = Judge(ADAPTIVE)
    asked = Heartbeat(last_rx=START, stage=ASKED, asked_at=START + 14)
    assert not judge.hasten(asked, START + 15)
    assert not judge.hasten(Heartbeat(last_rx=START, streaming=True), START)
