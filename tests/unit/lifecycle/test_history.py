from __future__ import annotations

import pytest

from keepline.lifecycle.history import KEPT, Step, append, latest_state, steps
from keepline.lifecycle.machine import Lifecycle
from keepline.lifecycle.states import TABLE, Event, State
from keepline.reasons import CloseReason


def test_every_row_of_the_table_can_be_kept_and_read() -> None:
    for rows in TABLE.values():
        for event, row in rows.items():
            assert steps(append(b"", row.next, event, 1.5)) == [Step(row.next, event, 1.5)]


def test_states_and_events_fit_into_their_bits() -> None:
    assert len(State) <= 16
    assert len(Event) <= 16


@pytest.mark.parametrize("count", [KEPT - 1, KEPT, KEPT + 1, 64])
def test_no_more_than_the_last_few_are_kept(count: int) -> None:
    history = b""
    for number in range(count):
        history = append(history, State.ACTIVE, Event.ACTIVITY, float(number))
    assert [step.after_s for step in steps(history)] == [
        float(number) for number in range(max(0, count - KEPT), count)
    ]
    assert len(history) <= 4 * KEPT


@pytest.mark.parametrize(
    ("after_s", "kept_s"),
    [
        (0.0, 0.0),
        (-0.1, 0.0),
        (0.09, 0.0),
        (0.1, 0.1),
        (1_677_721.5, 1_677_721.5),
        (1e9, 1_677_721.5),
    ],
)
def test_times_are_kept_to_a_tenth_and_for_nineteen_days(after_s: float, kept_s: float) -> None:
    [step] = steps(append(b"", State.IDLE, Event.QUIET, after_s))
    assert step.after_s == pytest.approx(kept_s)


def test_a_life_can_be_read_from_its_machine() -> None:
    lifecycle = Lifecycle(100.0)
    lifecycle.receive(Event.REQUEST_ACCEPTED, 100.5)
    lifecycle.receive(Event.HELLO, 101.0)
    lifecycle.receive(Event.QUIET, 131.0)
    lifecycle.receive(Event.TRANSPORT_LOST, 200.0, CloseReason.DEVICE_CLOSED)
    assert steps(lifecycle.history) == [
        Step(State.AUTHENTICATING, Event.REQUEST_ACCEPTED, 0.5),
        Step(State.ACTIVE, Event.HELLO, 0.5),
        Step(State.IDLE, Event.QUIET, 30.0),
        Step(State.CLEANUP, Event.TRANSPORT_LOST, 69.0),
    ]


def test_an_event_that_changes_no_state_leaves_no_entry() -> None:
    lifecycle = Lifecycle(100.0)
    lifecycle.receive(Event.CLOSE, 100.0, CloseReason.ANSWERED)
    before = lifecycle.history
    lifecycle.receive(Event.CLOSE, 101.0, CloseReason.SERVER_SHUTDOWN)
    assert lifecycle.history == before


def test_a_fleet_has_the_beginning_of_its_histories_in_common() -> None:
    def begun() -> bytes:
        history = append(b"", State.AUTHENTICATING, Event.REQUEST_ACCEPTED, 0.0)
        history = append(history, State.ACTIVE, Event.HELLO, 0.1)
        return append(history, State.IDLE, Event.QUIET, 30.0)

    assert begun() is begun()
    assert len(steps(begun())) == 3


def test_the_latest_of_some_states_is_found_behind_others() -> None:
    history = append(b"", State.ACTIVE, Event.HELLO, 1.0)
    history = append(history, State.IDLE, Event.QUIET, 1.0)
    history = append(history, State.CLEANUP, Event.TRANSPORT_LOST, 1.0)
    assert latest_state(history, {State.ACTIVE, State.IDLE}) is State.IDLE
    assert latest_state(history, {State.ACTIVE}) is State.ACTIVE
    assert latest_state(history, {State.REJECTED}) is None
    assert latest_state(b"", {State.ACTIVE}) is None
