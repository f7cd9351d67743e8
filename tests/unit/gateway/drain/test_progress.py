from __future__ import annotations

from keepline.gateway.drain.progress import ENDABLE, NOTHING_YET, UNDER_WAY, Counts, Phase, told_of


def test_counts_of_two_drains_are_added_up() -> None:
    assert Counts(sent=1, cut=2) + Counts(sent=3, told=4) == Counts(sent=4, cut=2, told=4)


def test_only_what_is_under_way_can_be_ended() -> None:
    assert ENDABLE < UNDER_WAY
    assert set(Phase) - UNDER_WAY == {Phase.NONE, Phase.ENDED, Phase.ABORTED}


def test_a_line_of_the_log_tells_how_far_it_is_and_leaves_the_plan_out() -> None:
    told = told_of(NOTHING_YET)
    assert (told["phase"], told["left"], told["sent"]) == ("none", 0, 0)
    assert "plan" not in told
