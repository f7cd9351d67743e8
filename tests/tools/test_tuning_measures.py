from __future__ import annotations

from tools.tuning_measures import FRAMES, QUICK_S, heard, learned_frames, lines


def test_a_pause_costs_what_there_is_no_room_for() -> None:
    assert [heard(frames, 5.0, QUICK_S, 100.0)[0] > 0 for frames in FRAMES] == [
        *(True, True, True),
        *(False, False),
    ]


def test_who_is_slower_than_speech_is_later_with_more_room() -> None:
    late = [heard(frames, 0.08, 0.08, 100.0)[1] for frames in FRAMES]
    assert late == sorted(late)
    assert late[-1] > 2 * late[0]


def test_room_is_learned_up_to_what_pauses_need() -> None:
    assert learned_frames() == [64, 96, 144, 144, 144]


def test_it_prints_costs_and_both_tables() -> None:
    told = "\n".join(lines())
    assert "a turn of the loop" in told
    assert told.count("|---:|---:|") >= 2
