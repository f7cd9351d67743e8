from __future__ import annotations

import pytest

from keepline.simulation.oracle.states import SLACK_S, States
from keepline.simulation.violation import ViolationError

WINDOW_S = 100.0


def state(epoch: int, version: int, device_id: str = "d") -> bytes:
    return f"{device_id} {epoch} {version}".encode()


def begun() -> States:
    states = States("d", WINDOW_S)
    assert states.begin(None, "new", 0.0) == (1, 0)
    return states


def test_what_was_saved_must_be_there() -> None:
    states = begun()
    states.saving(state(1, 3))
    states.saved(state(1, 3))
    states.ended(10.0)
    with pytest.raises(ViolationError, match="lost"):
        states.begin(None, "new", 20.0)


def test_an_older_state_than_was_saved_is_wrong_and_a_newer_one_is_right() -> None:
    states = begun()
    states.saving(state(1, 5))
    states.saved(state(1, 3))
    assert states.begin(state(1, 5), "resumed", 20.0) == (1, 5)
    with pytest.raises(ViolationError, match="went back"):
        states.begin(state(1, 2), "resumed", 20.0)


def test_nothing_comes_back_that_was_never_saved_or_is_somebody_elses() -> None:
    states = begun()
    with pytest.raises(ViolationError, match="never saved"):
        states.begin(state(1, 9), "resumed", 1.0)
    with pytest.raises(ViolationError, match="state of e"):
        states.begin(state(1, 0, "e"), "resumed", 1.0)


def test_what_is_left_at_the_end_is_owed_until_the_process_is_killed() -> None:
    states = begun()
    states.asked(state(1, 4))
    states.ended(10.0)
    with pytest.raises(ViolationError, match="lost"):
        states.begin(None, "new", 20.0)
    states.crashed(30.0)
    states.restarted(40.0)
    assert states.begin(None, "new", 50.0) == (2, 0)


def test_what_was_left_and_written_is_owed_after_a_kill_too() -> None:
    states = begun()
    states.asked(state(1, 4))
    states.ended(10.0)
    states.settle()
    states.crashed(30.0)
    with pytest.raises(ViolationError, match="lost"):
        states.begin(None, "new", 50.0)


def test_a_window_is_as_long_as_it_was_said() -> None:
    states = begun()
    states.asked(state(1, 4))
    states.ended(0.0)
    over = WINDOW_S + 3 * SLACK_S
    states.excuse()
    with pytest.raises(ViolationError, match="within its window"):
        states.begin(None, "expired", 50.0)
    with pytest.raises(ViolationError, match="after its window"):
        states.begin(state(1, 4), "resumed", over)
    assert states.begin(None, "expired", over) == (2, 0)


def test_a_restored_session_must_be_told_that_it_is() -> None:
    states = begun()
    with pytest.raises(ViolationError, match="told new"):
        states.begin(state(1, 0), "new", 1.0)
