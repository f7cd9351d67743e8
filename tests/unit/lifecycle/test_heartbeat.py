"""One heart: ids, round trips, what it counts, what it weighs."""

from __future__ import annotations

import sys
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepline.lifecycle.heartbeat import Heartbeat, HeartbeatPolicy, Judge, Verdict
from keepline.lifecycle.machine import Lifecycle
from keepline.lifecycle.states import Event


def judge() -> Judge:
    return Judge(HeartbeatPolicy())


def heart() -> Heartbeat:
    return Heartbeat(1_000.0)


def ponged(*round_trips_s: float) -> Heartbeat:
    hb, judge_ = heart(), judge()
    for number, rtt_s in enumerate(round_trips_s):
        sent_at = 1_000.0 + 15 * number
        payload = judge_.ping_payload(hb, sent_at)
        assert hb.receive_pong(payload, sent_at + rtt_s) == pytest.approx(rtt_s)
    return hb


def test_the_matching_pong_gives_the_round_trip() -> None:
    hb = heart()
    payload = judge().ping_payload(hb, 1_000.0)
    assert hb.receive_pong(payload, 1_000.25) == 0.25
    assert (hb.pings, hb.pongs) == (1, 1)
    assert hb.round_trips is not None
    assert hb.round_trips.latest == hb.round_trips.shortest == 0.25


def test_a_ping_id_is_four_bytes_and_never_repeats_itself_soon() -> None:
    hb, judge_ = heart(), judge()
    ids = [judge_.ping_payload(hb, 1_000.0) for _ in range(300)]
    assert {len(payload) for payload in ids} == {4}
    assert len(set(ids)) == 300


def test_a_late_pong_with_an_older_id_gives_none() -> None:
    hb, judge_ = heart(), judge()
    older = judge_.ping_payload(hb, 1_000.0)
    newer = judge_.ping_payload(hb, 1_001.0)
    assert hb.receive_pong(older, 1_001.1) is None
    assert hb.receive_pong(newer, 1_001.2) == pytest.approx(0.2)
    assert hb.pongs == 1


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\2", b"\1", b"\0\0\0\1\0", b"hello", b"\1\0\0\0"])
def test_a_pong_without_or_with_a_wrong_id_gives_none(payload: bytes) -> None:
    hb, judge_ = heart(), judge()
    right = judge_.ping_payload(hb, 1_000.0)
    assert hb.receive_pong(payload, 1_000.1) is None
    assert hb.pongs == 0
    assert hb.receive_pong(right, 1_000.2) == pytest.approx(0.2)


def test_a_pong_nobody_asked_for_gives_none() -> None:
    hb = heart()
    assert hb.receive_pong(b"\0\0\0\0", 1_000.0) is None
    assert hb.average_rtt_s is None
    assert hb.round_trips is None


def test_the_same_pong_twice_gives_one_round_trip() -> None:
    hb = heart()
    payload = judge().ping_payload(hb, 1_000.0)
    hb.receive_pong(payload, 1_000.1)
    assert hb.receive_pong(payload, 1_000.2) is None
    assert hb.pongs == 1


def test_a_stall_taken_off_between_ping_and_pong_gives_no_negative_round_trip() -> None:
    hb = heart()
    payload = judge().ping_payload(hb, 1_000.0)
    assert hb.receive_pong(payload, 999.0) == 0.0


def test_the_average_is_still_true_after_half_a_year_of_pings() -> None:
    hb, judging = heart(), judge()
    for _ in range(1_000_000):
        hb.receive_pong(judging.ping_payload(hb, 0.0), 0.0123)
    assert hb.average_rtt_s == pytest.approx(0.0123, rel=1e-6)


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 20), min_size=1, max_size=50))
def test_the_average_is_the_true_mean(round_trips_s: list[float]) -> None:
    hb = ponged(*round_trips_s)
    assert hb.average_rtt_s == pytest.approx(fmean(round_trips_s), rel=1e-5)
    assert hb.round_trips is not None
    assert hb.round_trips.shortest == pytest.approx(min(round_trips_s), rel=1e-6)
    assert hb.round_trips.latest == pytest.approx(round_trips_s[-1], rel=1e-6)
    assert hb.pings == hb.pongs == len(round_trips_s)


def test_round_trips_are_smoothed_as_rfc_6298_says() -> None:
    hb = ponged(0.1, 0.3)
    assert hb.round_trips is not None
    assert hb.round_trips.deviation == pytest.approx(0.75 * 0.05 + 0.25 * 0.2)
    assert hb.round_trips.smoothed == pytest.approx(0.875 * 0.1 + 0.125 * 0.3)


def test_patience_is_the_smoothed_round_trip_and_four_deviations_within_its_bounds() -> None:
    assert heart().patience_s(1.0, 10.0) == 1.0
    assert ponged(0.05).patience_s(1.0, 10.0) == 1.0
    assert ponged(0.6).patience_s(1.0, 10.0) == pytest.approx(0.6 + 4 * 0.3)
    assert ponged(9.0).patience_s(1.0, 10.0) == 10.0


def test_patience_that_was_lengthened_shrinks_again_with_every_round_trip() -> None:
    hb, judge_ = ponged(0.1, 0.1, 0.1), judge()
    hb.lengthen_patience(4.0)
    lengths_s = [hb.patience_s(0.0, 10.0)]
    for _ in range(10):
        hb.receive_pong(judge_.ping_payload(hb, 1_000.0), 1_000.1)
        lengths_s.append(hb.patience_s(0.0, 10.0))
    assert lengths_s[0] == pytest.approx(4.0)
    assert lengths_s == sorted(lengths_s, reverse=True)
    assert lengths_s[-1] < 0.5
    assert hb.average_rtt_s == pytest.approx(0.1)


def test_patience_is_never_shortened_by_lengthening() -> None:
    hb = ponged(2.0)
    hb.lengthen_patience(1.0)
    assert hb.patience_s(0.0, 10.0) == pytest.approx(6.0)


def test_a_new_heart_is_healthy() -> None:
    assert heart().verdict is Verdict.HEALTHY


def weight_bytes(*structs: Lifecycle | Heartbeat) -> int:
    """All bytes of these structs and of the values that only they hold."""
    held: dict[int, int] = {}
    for struct in structs:
        held[id(struct)] = sys.getsizeof(struct)
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            small = isinstance(value, int) and -5 <= value <= 256
            if isinstance(value, int | float | bytes) and not small:
                held[id(value)] = sys.getsizeof(value)
    return sum(held.values())


@pytest.mark.parametrize(("pings", "most_bytes"), [(3, 349), (10_000, 379)])
def test_a_lifecycle_and_a_heart_that_has_lived_are_light(pings: int, most_bytes: int) -> None:
    # Most of them share `since`, `last_rx` and `asked_at` with others: the ticker's own objects.
    hb = ponged(*(0.05 + number / 1e6 for number in range(pings)))
    hb.last_rx = 2_000.5
    hb.asked_at = 2_000.25
    life = Lifecycle(0.0)
    for event in (Event.REQUEST_ACCEPTED, Event.HELLO, *[Event.QUIET, Event.ACTIVITY] * 32):
        life.receive(event, 1_500.5)
    assert weight_bytes(life, hb) <= most_bytes
