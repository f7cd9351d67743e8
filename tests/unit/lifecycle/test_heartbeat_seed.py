"""The preset `seed`: 30, 60 and 90 seconds to the letter."""

from __future__ import annotations

import pytest

from keepline.lifecycle.heartbeat import Heartbeat, HeartbeatPolicy, Judge, Verdict

from .watch import START, Watch

SEED = HeartbeatPolicy(preset="seed")


def test_a_silent_device_is_pinged_at_30_suspicious_at_60_and_a_zombie_at_90() -> None:
    watch = Watch(SEED)
    watch.run(100)
    assert watch.pings == [30.0, 60.0]
    assert watch.suspicions == [60.0]
    assert watch.verdicts == [
        (30.0, Verdict.HEALTHY),
        (60.0, Verdict.SUSPICIOUS),
        (90.0, Verdict.ZOMBIE),
    ]
    assert watch.hb.failures == 2


@pytest.mark.parametrize("age_s", [29.999, 59.999, 89.999])
def test_no_age_is_reached_early(age_s: float) -> None:
    judge, hb = Judge(SEED), Heartbeat(START)
    judge.first_due(hb, START, 0.9)
    looks = [judge.look(hb, START + at, 0.9) for at in (30.0, 60.0, 90.0) if at < age_s]
    early = judge.look(hb, START + age_s, 0.9)
    assert not early.ping
    assert not early.became_suspicious
    assert early.verdict is (looks[-1].verdict if looks else Verdict.HEALTHY)
    assert early.due == pytest.approx(START + age_s + 0.001)


def test_every_look_names_the_next_due_time() -> None:
    judge, hb = Judge(SEED), Heartbeat(START)
    assert judge.first_due(hb, START, 0.9) == START + 30
    assert judge.look(hb, START + 30, 0.9) == (Verdict.HEALTHY, True, START + 60, False)
    hb.last_rx = START + 31
    assert judge.look(hb, START + 40, 0.9) == (Verdict.HEALTHY, False, START + 60, False)
    assert judge.look(hb, START + 60, 0.9) == (Verdict.HEALTHY, True, START + 90, False)
    assert judge.look(hb, START + 90, 0.9) == (Verdict.HEALTHY, True, START + 91, False)
    assert judge.look(hb, START + 91, 0.9) == (Verdict.SUSPICIOUS, True, START + 121, True)
    assert judge.look(hb, START + 100, 0.9) == (Verdict.SUSPICIOUS, False, START + 121, False)
    assert judge.look(hb, START + 121, 0.9) == (Verdict.ZOMBIE, False, START + 122, False)
    assert judge.ask_again(hb, START + 300, 0.9) is None


def test_a_device_that_pongs_is_pinged_every_30_seconds_whatever_else_it_says() -> None:
    quiet = Watch(SEED, answer=lambda _: 0.05)
    quiet.run(200)
    talking = Watch(SEED, answer=lambda _: 0.05)
    talking.run(200, data_every_s=1.0)
    assert quiet.pings == talking.pings == [30.0, 60.0, 90.0, 120.0, 150.0, 180.0]
    assert quiet.suspicions == talking.suspicions == []


def test_the_extra_ping_leaves_when_suspicion_falls_between_two_pings() -> None:
    watch = Watch(SEED)
    watch.run(12)
    watch.hear()
    watch.run(110)
    assert watch.pings == [30.0, 60.0, 72.0]
    assert watch.suspicions == [72.0]
    assert watch.zombie_at == 102.0


def test_any_byte_returns_a_suspect_to_healthy() -> None:
    watch = Watch(SEED)
    watch.run(75)
    assert watch.verdict() is Verdict.SUSPICIOUS
    watch.hear()
    assert watch.verdict() is Verdict.HEALTHY
    watch.run(134.9)
    assert watch.zombie_at is None
    watch.run(165)
    assert watch.suspicions == [60.0, 135.0]
    assert watch.zombie_at == 165.0


def test_other_ages_may_be_set() -> None:
    watch = Watch(HeartbeatPolicy(preset="seed", interval_s=5, suspicious_s=12, zombie_s=20))
    watch.run(30)
    assert watch.pings == [5.0, 10.0, 12.0, 17.0]
    assert watch.zombie_at == 20.0


def test_streaming_and_jitter_change_nothing() -> None:
    watch = Watch(SEED, u=0.99, streaming=True)
    watch.run(100)
    assert watch.pings == [30.0, 60.0]
    assert watch.zombie_at == 90.0
