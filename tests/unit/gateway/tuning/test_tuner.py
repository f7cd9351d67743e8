from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from keepline.gateway.tuning.tuner import FORGOTTEN, MOST_PREFIXES, Known, Tuner
from keepline.lifecycle.heartbeat import ASKED, CONDEMNED, PROBED, Heartbeat, HeartbeatPolicy, Judge
from keepline.lifecycle.profile import BROWSER, STOCK, Profile
from keepline.lifecycle.tries import COSTS, FEW
from keepline.reasons import CloseReason

POLICY = HeartbeatPolicy()
BASE = Judge(POLICY)
INF = float("inf")


@dataclass(eq=False)
class Device:
    """As its connection looks to the tuner; it has answered a ping before."""

    address: str = "192.0.2.7"
    profile: Profile = STOCK
    last_activity: float = 0.0
    last_sent: float = 0.0
    heartbeat: Heartbeat = field(
        default_factory=lambda: Heartbeat(last_rx=0.0, pings=3, unponged=2)
    )

    def __post_init__(self) -> None:
        self.heartbeat.sent_at = 0.0
        self.heartbeat.receive_pong((3).to_bytes(4, "big"), 0.05)

    def is_asked(self, at: float, answered_at: float | None) -> None:
        heartbeat = self.heartbeat
        heartbeat.stage, heartbeat.asked_at = ASKED, at
        if answered_at is not None:
            heartbeat.last_rx = answered_at


def made(verdict_s: float = 120.0, **known: float) -> Tuner:
    tuner = Tuner(POLICY, BASE, verdict_s)
    if known:
        tuner.recall({"192.0.2.7": Known(known["lo_s"], known.get("hi_s", INF), 0.0)})
    return tuner


def interval_of(judge: Judge) -> float:
    return judge._interval_s


def test_one_tries_and_the_others_keep_to_what_has_survived() -> None:
    tuner = made(lo_s=40)
    first, second = Device(), Device()
    assert interval_of(tuner.judge_of(first, 0.0)) == 58
    assert interval_of(tuner.judge_of(second, 0.0)) == 40
    tuner.on_ended(first, CloseReason.DEVICE_CLOSED, 1.0)
    assert interval_of(tuner.judge_of(second, 0.0)) == 58


def test_five_answers_after_so_long_a_silence_make_it_everybodys() -> None:
    tuner = made(lo_s=40)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    for n in range(1, 6):
        trier.is_asked(58.0 * n, 58.0 * n + 0.1)
        tuner.judge_of(trier, 58.0 * n + 52)
    assert tuner.known() == {"192.0.2.7": (58, INF, 342)}
    assert [change.after_s for _, change in tuner.changes] == [58]


@pytest.mark.parametrize("other", ["last_sent", "last_activity"])
def test_what_was_sent_or_said_in_between_makes_a_silence_no_proof(other: str) -> None:
    tuner = made(lo_s=40)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    for n in range(1, 10):
        setattr(trier, other, 58.0 * n - 20)
        trier.is_asked(58.0 * n, 58.0 * n + 0.1)
        tuner.judge_of(trier, 58.0 * n + 52)
    assert tuner.changes == []


def test_a_profile_and_the_bound_have_the_last_word() -> None:
    known = {"lo_s": 298.0}
    assert interval_of(made(1_000, **known).judge_of(Device(profile=BROWSER), 0.0)) == 298
    assert interval_of(made(1_000, **known).judge_of(Device(profile=STOCK), 0.0)) == 100
    assert interval_of(made(65.5, **known).judge_of(Device(profile=BROWSER), 0.0)) == 60


def test_who_does_not_pong_or_has_no_address_is_judged_by_the_base() -> None:
    tuner = made(lo_s=40)
    probed, unanswered = Device(), Device()
    probed.heartbeat.means = PROBED
    unanswered.heartbeat.packed = b""
    for device in (probed, unanswered, Device(address="")):
        assert tuner.judge_of(device, 0.0) is BASE


@pytest.mark.parametrize(
    ("reason", "counts"),
    [
        (CloseReason.HEARTBEAT_TIMEOUT, True),
        (CloseReason.DEVICE_RESET, True),
        (CloseReason.NETWORK_TIMEOUT, True),
        (CloseReason.DEVICE_CLOSED, False),
        (CloseReason.KICKED, False),
    ],
)
def test_only_an_end_that_is_the_ways_counts(reason: CloseReason, *, counts: bool) -> None:
    tuner = made(lo_s=40)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    trier.is_asked(50.0, None)
    tuner.on_ended(trier, reason, 60.0)
    assert bool(tuner.changes) is counts


def test_a_way_that_was_dead_when_something_was_sent_died_in_that_silence() -> None:
    tuner = made(lo_s=40)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    trier.last_sent = 44.0
    trier.is_asked(44.1, None)
    tuner.on_ended(trier, CloseReason.HEARTBEAT_TIMEOUT, 1_000.0)
    [(lo_s, hi_s, _)] = tuner.known().values()
    assert hi_s == pytest.approx(44, abs=0.1)
    assert lo_s <= 0.8 * hi_s


def test_a_death_of_who_was_heard_lately_is_not_the_ways() -> None:
    tuner = made(lo_s=40)
    for n in range(5):
        device = Device()
        tuner.judge_of(device, 0.0)
        device.last_sent = 10.0
        device.is_asked(10.1, None)
        tuner.on_ended(device, CloseReason.HEARTBEAT_TIMEOUT, 1_000.0 * (n + 1))
    assert tuner.changes == []


def test_addresses_of_one_ipv6_network_are_one_prefix() -> None:
    tuner = made()
    for host in range(3):
        tuner.judge_of(Device(address=f"2001:db8::{host}"), 0.0)
    assert len(tuner) == 1


def test_a_longer_interval_puts_off_the_ages_of_silence_by_as_much() -> None:
    judge = made(lo_s=90).judge_of(Device(), 0.0)
    interval_s = interval_of(judge)
    assert interval_s == 100
    assert judge._zombie_s - interval_s == POLICY.zombie_s - POLICY.ping_every_s


def test_a_longer_interval_is_spread_over_as_many_seconds_and_not_over_more() -> None:
    judge = made(lo_s=90).judge_of(Device(), 0.0)
    assert judge._spread_s == pytest.approx(BASE._spread_s, rel=0.1)


def test_prefixes_are_bounded_and_the_longest_unused_is_forgotten() -> None:
    tuner = made()
    tuner.recall({f"address-{n}": Known(20.0, 40.0, 0.0) for n in range(MOST_PREFIXES + 3)})
    assert len(tuner) == MOST_PREFIXES
    assert "address-2" not in tuner.known()
    assert "address-3" in tuner.known()


def test_what_is_recalled_is_not_forgiven_at_once() -> None:
    tuner = made(lo_s=40, hi_s=50)
    assert interval_of(tuner.judge_of(Device(), 1.0)) == 40


def test_a_keepalive_that_left_with_the_ping_has_not_broken_the_silence() -> None:
    tuner = made(lo_s=88)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    for n in range(1, 6):
        trier.last_sent = 100.0 * n
        trier.is_asked(100.0 * n, 100.0 * n + 0.1)
        tuner.judge_of(trier, 100.0 * n + 90)
    assert [known.lo_s for known in tuner.known().values()] == [100]


def test_what_is_sent_and_asked_after_in_a_long_silence_is_no_proof() -> None:
    tuner = made(lo_s=88)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    for n in range(1, 10):
        trier.last_sent = 100.0 * n - 0.1
        trier.is_asked(100.0 * n, 100.0 * n + 0.1)
        tuner.judge_of(trier, 100.0 * n + 90)
    assert tuner.changes == []


def test_what_was_sent_a_moment_after_the_last_word_hides_no_death() -> None:
    tuner = made(lo_s=40)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    trier.last_sent = 2.0
    trier.is_asked(55.0, None)
    tuner.on_ended(trier, CloseReason.REPLACED, 1_000.0)
    assert [known.hi_s for known in tuner.known().values()] == [58]


def test_the_silence_is_that_before_the_first_of_all_that_was_asked() -> None:
    tuner = made(lo_s=40)
    trier = Device()
    tuner.judge_of(trier, 0.0)
    trier.is_asked(30.0 + 3.5, None)
    trier.heartbeat.stage = CONDEMNED
    tuner.on_ended(trier, CloseReason.HEARTBEAT_TIMEOUT, 36.0)
    assert tuner.changes == [], "it was asked after 30 s of silence, and 40 s survive"


def test_a_keepalive_that_is_due_soon_never_makes_the_interval_shorter_than_the_usual() -> None:
    profile = Profile(name="own", keepalive_s=5.0)
    assert made(lo_s=40).judge_of(Device(profile=profile), 0.0) is BASE


def test_a_prefix_that_is_forgotten_begins_anew_and_says_so() -> None:
    tuner = made(lo_s=88, hi_s=110)
    tuner.judge_of(Device(), 0.0)
    assert tuner.forget("192.0.2.7")
    assert not tuner.forget("192.0.2.7")
    assert tuner.changes == [("192.0.2.7", (88, 15, FORGOTTEN))]
    assert interval_of(tuner.judge_of(Device(), 1.0)) == 28


def test_only_a_few_of_many_prefixes_try_what_nothing_is_known_of() -> None:
    tuner = made()
    devices = [Device(address=f"192.0.2.{n}") for n in range(100)]
    intervals = [interval_of(tuner.judge_of(device, 0.0)) for device in devices]
    assert intervals == [28] * FEW + [15] * (100 - FEW)


def test_what_kills_at_a_few_prefixes_is_not_tried_at_the_others() -> None:
    tuner = made()
    tuner.recall({f"192.0.2.{n}": Known(28, INF, -1_000.0) for n in range(100)})
    killed = 0
    for n in range(100):
        device = Device(address=f"192.0.2.{n}")
        if interval_of(tuner.judge_of(device, 0.0)) == 43:
            device.is_asked(43.0, None)
            tuner.on_ended(device, CloseReason.HEARTBEAT_TIMEOUT, 50.0)
            killed += 1
    assert killed == FEW // COSTS


def test_a_prefix_that_is_dropped_for_another_tries_no_more() -> None:
    tuner = made()
    tuner.judge_of(Device(), 0.0)
    tuner.recall({f"address-{n}": Known(20.0, 40.0, 0.0) for n in range(MOST_PREFIXES)})
    assert len(tuner.tries) == 0
