from __future__ import annotations

from keepline.fleet.tally import STATES, Counts, Tally


def test_sums_are_made_of_their_parts() -> None:
    counts = Counts(fins=2, resets=3)
    counts.failed.update({"ECONNREFUSED": 4, "timeout": 1})
    assert counts.lost == 5
    assert counts.connect_failures == 5


def test_there_is_a_histogram_for_each_state_in_which_one_can_die() -> None:
    assert tuple(Tally().verdicts) == STATES
