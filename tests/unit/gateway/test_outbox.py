from __future__ import annotations

from keepline.gateway.outbox import Outbox
from keepline.settings.session import Outbox as OutboxSettings

STUCK_AFTER_S = 30.0


def outbox(buffered_bytes: int = 1_000) -> Outbox:
    settings = OutboxSettings(stuck_after_s=STUCK_AFTER_S)
    return Outbox(settings, now=0.0, buffered_bytes=buffered_bytes)


def test_a_buffer_that_does_not_shrink_is_stuck_after_the_bound_and_not_before() -> None:
    waiting = outbox()
    assert not waiting.is_stuck(now=STUCK_AFTER_S - 0.1, buffered_bytes=1_000)
    assert waiting.is_stuck(now=STUCK_AFTER_S, buffered_bytes=1_000)


def test_every_new_low_begins_the_wait_anew_however_slow() -> None:
    waiting = outbox()
    for minute in range(1, 10):
        assert not waiting.is_stuck(now=29.0 * minute, buffered_bytes=1_000 - minute)


def test_what_is_above_the_lowest_is_no_new_low() -> None:
    waiting = outbox()
    assert not waiting.is_stuck(now=20.0, buffered_bytes=900)
    assert not waiting.is_stuck(now=40.0, buffered_bytes=950)
    assert waiting.is_stuck(now=50.0, buffered_bytes=900)


def test_a_buffer_that_was_emptied_begins_anew_with_what_it_holds_now() -> None:
    waiting = outbox()
    waiting.begin_anew(now=20.0, buffered_bytes=5_000)
    assert not waiting.is_stuck(now=49.0, buffered_bytes=4_000)
    assert not waiting.is_stuck(now=78.0, buffered_bytes=4_000)
    assert waiting.is_stuck(now=79.0, buffered_bytes=4_000)


def test_a_buffer_that_grows_is_no_progress() -> None:
    waiting = outbox()
    assert not waiting.is_stuck(now=20.0, buffered_bytes=2_000)
    assert waiting.is_stuck(now=30.0, buffered_bytes=1_500)


def test_its_limits_are_those_of_the_settings() -> None:
    waiting = Outbox(OutboxSettings(audio_frames=1, control_messages=1), now=0.0, buffered_bytes=0)
    waiting.put(b"a1", 2, audio=True)
    waiting.put(b"a2", 2, audio=True)
    waiting.put(b"c1", 2, audio=False)
    waiting.put(b"c2", 2, audio=False)
    assert [waiting.take(), waiting.take(), waiting.take()] == [b"a2", b"c1", None]
