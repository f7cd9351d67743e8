from __future__ import annotations

from math import inf

import pytest

from keepline.fleet.habits import Habits, habits_of


def test_a_conversation_lasts_as_long_as_its_turns_with_their_echo() -> None:
    habits = Habits(kinds=("manual",), turns=(2, 4), turn_frames=(10, 30))
    assert habits.conversation_s == pytest.approx(3 * 20 * 0.06 * 2)
    assert Habits(kinds=("text",)).conversation_s == 0.0


@pytest.mark.parametrize("talk", [0.05, 0.5, 1.0])
def test_pauses_are_such_that_the_share_talks_at_any_time(talk: float) -> None:
    habits = habits_of(talk, "backoff", (1,), numbers=True)
    pause_s = sum(habits.pause_s) / 2
    talking_s = habits.conversation_s
    assert talking_s / (talking_s + pause_s) == pytest.approx(talk)
    assert habits.at_once == talk


def test_nobody_who_is_not_to_talk_ever_does() -> None:
    assert habits_of(0.0, "firmware", (1,), numbers=False).pause_s == (inf, inf)


def test_such_devices_stay_until_a_fault_ends_it() -> None:
    habits = habits_of(0.1, "firmware", (1, 3), numbers=True)
    assert (habits.hang_up, habits.die, habits.audio_versions) == (0.0, 0.0, (1, 3))
    assert habits.numbers


def test_each_profile_comes_back_in_its_own_way() -> None:
    found = {
        kind: habits_of(0.1, kind, (1,), numbers=False) for kind in ("firmware", "fixed", "backoff")
    }
    assert {kind: (each.reconnect_s, each.reconnect_most_s) for kind, each in found.items()} == {
        "firmware": (None, None),
        "fixed": (10.0, None),
        "backoff": (1.0, 60.0),
    }
