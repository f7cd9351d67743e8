from __future__ import annotations

import pytest

from keepline.gateway.pacing import Pace, packet_s
from keepline.wire.messages import AudioParams


@pytest.mark.parametrize(
    ("duration_ms", "expected_s"), [(60, 0.06), (20, 0.02), (1, 0.0025), (120, 0.12), (500, 0.12)]
)
def test_a_packet_lasts_as_long_as_the_device_said_within_reason(
    duration_ms: int, expected_s: float
) -> None:
    assert packet_s(AudioParams(frame_duration=duration_ms)) == expected_s


def test_a_device_that_did_not_say_has_packets_of_60_ms() -> None:
    assert packet_s(None) == 0.06


def test_the_first_packets_go_at_once_and_the_next_when_one_was_heard() -> None:
    pace = Pace(0.06, 5)
    for _ in range(6):  # one is being heard, five are ahead
        assert pace.wait_s(100.0) <= 0
        pace.sent(100.0)
    assert pace.wait_s(100.0) == pytest.approx(0.06, abs=1e-5)
    assert pace.wait_s(100.06) <= 0


def test_what_may_go_is_counted_as_it_is_taken_and_what_may_not_is_not() -> None:
    taken, sent = Pace(0.06, 2), Pace(0.06, 2)
    for now in (100.0, 100.0, 100.0, 100.07, 100.07, 103.0):
        wait_s = sent.wait_s(now)
        if wait_s <= 0:
            sent.sent(now)
        assert taken.take(now) == wait_s
        assert taken.rest_s(now) == sent.rest_s(now)


def test_after_a_pause_there_is_no_more_credit_than_at_first() -> None:
    pace = Pace(0.06, 5)
    pace.sent(100.0)
    for _ in range(6):
        assert pace.wait_s(200.0) <= 0
        pace.sent(200.0)
    assert pace.wait_s(200.0) > 0


def test_the_rest_is_what_can_still_be_heard() -> None:
    pace = Pace(0.06, 5)
    assert pace.rest_s(100.0) < 0
    for _ in range(3):
        pace.sent(100.0)
    assert pace.rest_s(100.0) == pytest.approx(0.18)
    assert pace.rest_s(100.18) == pytest.approx(0.0)


def test_all_who_are_paced_alike_have_their_times_in_common() -> None:
    one, other = (Pace(packet_s(AudioParams(frame_duration=40)), 7) for _ in range(2))
    assert one.packet_s is other.packet_s
    assert one._ahead_s is other._ahead_s
