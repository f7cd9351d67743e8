from __future__ import annotations

import pytest

from keepline.gateway.tuning.inboxes import FRAME_S, SEVERAL, SLOW, WIDEST, Inboxes

BASE = 64
LONG_S = 60.0


class Handlers:
    """What is lost and waits, sample after sample."""

    def __init__(self) -> None:
        self.inboxes = Inboxes(BASE)

    def lose(
        self, frames: int, samples: int = 1, devices: int = 2, waited_s: float = LONG_S
    ) -> int:
        """Have so many frames of each device be lost in each sample."""
        for _ in range(samples):
            for number in range(frames * devices):
                self.inboxes.lost_by(f"device-{number % devices}", waited_s)
            self.inboxes.note(BASE)
        return self.inboxes.frames

    def catch_up(self, depth: float = 0, *, alone: bool = False) -> int:
        self.inboxes.note(depth, alone=alone)
        return self.inboxes.frames


def test_where_nothing_is_lost_there_is_what_the_settings_say() -> None:
    handlers = Handlers()
    assert [handlers.catch_up() for _ in range(5)] == [BASE] * 5


def test_a_pause_that_cost_audio_gives_more_room_once_it_is_over() -> None:
    handlers = Handlers()
    assert handlers.lose(10) == BASE
    assert handlers.catch_up() == 96
    assert "20 frames were lost" in handlers.inboxes.reason


def test_what_was_given_up_for_want_of_memory_says_nothing_of_handlers() -> None:
    handlers = Handlers()
    handlers.lose(1)
    handlers.inboxes.note(0, given_up=True)
    assert handlers.catch_up() == BASE
    handlers.lose(1, devices=1)
    assert handlers.catch_up() == BASE


def test_there_is_never_more_than_the_bound() -> None:
    handlers = Handlers()
    for _ in range(20):
        handlers.lose(1)
        handlers.catch_up()
    assert handlers.inboxes.frames == handlers.inboxes.widest == WIDEST * BASE


def test_who_is_always_slower_than_speech_is_given_no_more_room() -> None:
    handlers = Handlers()
    handlers.lose(20, samples=SLOW)
    assert handlers.catch_up() == BASE


def test_who_has_become_slower_than_speech_is_given_less_down_to_the_settings() -> None:
    handlers = Handlers()
    for _ in range(3):
        handlers.lose(1)
        handlers.catch_up()
    assert handlers.inboxes.frames == 216
    assert handlers.lose(1, samples=SLOW) == 144
    assert "slower than speech" in handlers.inboxes.reason
    assert handlers.lose(1, samples=20) == BASE


@pytest.mark.parametrize("depth", [BASE, 10 * BASE])
def test_who_has_not_caught_up_is_given_no_more_room(depth: float) -> None:
    handlers = Handlers()
    handlers.lose(20)
    assert handlers.catch_up(depth) == BASE


def test_one_device_that_loses_audio_does_not_move_the_room_of_others() -> None:
    handlers = Handlers()
    for _ in range(5):
        handlers.lose(500, devices=1)
        assert handlers.catch_up() == BASE


def test_devices_that_burst_together_move_the_room_of_nobody() -> None:
    handlers = Handlers()
    for waited_s in (0.0, 1.0, BASE * FRAME_S - 0.01):
        handlers.lose(500, devices=9, waited_s=waited_s)
        assert handlers.catch_up() == BASE
    handlers.lose(1, waited_s=BASE * FRAME_S)
    assert handlers.catch_up() == 96


def test_bursts_after_one_another_do_not_take_room_from_handlers_that_pause() -> None:
    handlers = Handlers()
    handlers.lose(1)
    assert handlers.catch_up() == 96
    assert handlers.lose(500, samples=20, waited_s=0.1) == 96


def test_the_only_device_there_is_stands_for_all() -> None:
    handlers = Handlers()
    handlers.lose(20, devices=1)
    assert handlers.catch_up(alone=True) == 96


def test_no_more_is_remembered_of_who_lost_than_that_they_are_several() -> None:
    handlers = Handlers()
    handlers.lose(1, devices=1_000)
    assert len(handlers.inboxes._losers) == SEVERAL
