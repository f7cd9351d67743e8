from __future__ import annotations

import pytest

from keepline.fleet.habits import TurnKind
from keepline.fleet.tally import Tally
from keepline.fleet.utterance import Utterance


def spoken(kind: TurnKind = "manual", frames: int = 5, first: int = 10) -> Utterance:
    utterance = Utterance(kind, frames, first)
    assert [utterance.said(1.0) for _ in range(frames)] == list(range(first, first + frames))
    return utterance


def lost(utterance: Utterance, heard: list[int]) -> tuple[int, int]:
    tally = Tally()
    for number in heard:
        utterance.heard_own(number, tally)
    utterance.end(tally)
    return tally.counts.frames_lost, tally.counts.frames_repeated


def test_all_that_was_said_comes_back_and_nothing_is_lost() -> None:
    assert lost(spoken(), [10, 11, 12, 13, 14]) == (0, 0)


def test_frames_that_are_missing_inside_and_at_the_end_are_lost() -> None:
    assert lost(spoken(), [10, 13]) == (3, 0)


def test_nothing_that_comes_back_is_everything_lost() -> None:
    assert lost(spoken(), []) == (5, 0)


def test_of_an_auto_turn_the_server_decides_where_it_ends() -> None:
    assert lost(spoken("auto"), [10, 12]) == (1, 0)


def test_a_frame_that_comes_again_is_a_repetition() -> None:
    assert lost(spoken(), [10, 11, 11, 12, 13, 14]) == (0, 1)


def test_what_comes_late_of_an_earlier_turn_is_not_counted_here() -> None:
    assert lost(spoken(), [9, 10, 11, 12, 13, 14]) == (0, 0)


def test_the_first_thing_heard_is_timed_from_the_last_thing_said() -> None:
    tally, utterance = Tally(), spoken()
    utterance.heard(1.5, tally)
    utterance.heard(1.7, tally)
    assert tally.first_audio.count == 1
    assert tally.first_audio.quantiles().max_s == pytest.approx(0.5)


def test_what_is_heard_before_a_word_was_said_is_no_answer() -> None:
    tally = Tally()
    Utterance("manual", 5, 0).heard(1.5, tally)
    assert tally.first_audio.count == 0
