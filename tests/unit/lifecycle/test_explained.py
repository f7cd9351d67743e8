"""What is read out of a history although nothing of it is kept."""

from __future__ import annotations

import pytest

from keepline.lifecycle.explained import Explained, explained
from keepline.lifecycle.history import KEPT, Step, steps
from keepline.lifecycle.machine import IMPLIED, Lifecycle
from keepline.lifecycle.states import ORIGINS, TABLE, Event, Origin, State
from keepline.reasons import CloseReason, Initiator

BEGINNING = (Event.REQUEST_ACCEPTED, Event.HELLO)
KICKED = Origin(CloseReason.KICKED.initiator, CloseReason.KICKED.cause)


def lived(*events: Event, reason: CloseReason = CloseReason.KICKED) -> Lifecycle:
    lifecycle = Lifecycle(0.0)
    for now, event in enumerate(events, start=1):
        lifecycle.receive(event, float(now), None if event in IMPLIED else reason)
    return lifecycle


def told(*events: Event, reason: CloseReason = CloseReason.KICKED) -> list[Explained]:
    lifecycle = lived(*events, reason=reason)
    ended = lifecycle.reason
    ending = None if ended is None else Origin(ended.initiator, ended.cause)
    return explained(steps(lifecycle.history), ending)


def test_every_transition_of_one_who_lives_is_told_by_its_event() -> None:
    assert told(*BEGINNING, Event.QUIET, Event.ACTIVITY) == [
        Explained(
            previous, state, event, ORIGINS[event].initiator, ORIGINS[event].cause, after_s=1.0
        )
        for previous, state, event in (
            (State.CONNECTING, State.AUTHENTICATING, Event.REQUEST_ACCEPTED),
            (State.AUTHENTICATING, State.ACTIVE, Event.HELLO),
            (State.ACTIVE, State.IDLE, Event.QUIET),
            (State.IDLE, State.ACTIVE, Event.ACTIVITY),
        )
    ]


def test_where_the_end_begins_its_reason_is_told_and_what_follows_has_its_own() -> None:
    *_, kicked, gone = told(*BEGINNING, Event.CLOSE, Event.HUNG_UP)
    assert (kicked.state, kicked.initiator, kicked.cause) == (
        State.DISCONNECTING,
        Initiator.OPERATOR,
        "kicked",
    )
    assert (gone.previous, gone.initiator, gone.cause) == (
        State.DISCONNECTING,
        Initiator.DEVICE,
        "it hung up",
    )


@pytest.mark.parametrize(
    ("event", "initiator"),
    [
        (Event.HUNG_UP, Initiator.DEVICE),
        (Event.TRANSPORT_LOST, Initiator.NETWORK),
        (Event.CLOSE_DUE, Initiator.US),
    ],
)
def test_who_drops_tcp_of_one_that_is_being_closed_is_told(
    event: Event, initiator: Initiator
) -> None:
    assert told(*BEGINNING, Event.CLOSE, event)[-1].initiator is initiator


def test_a_verdict_is_the_beginning_of_the_end_and_the_close_is_its_consequence() -> None:
    *_, judged, closed = told(*BEGINNING, Event.SILENT, Event.CLOSE)
    assert (judged.initiator, judged.cause) == (Initiator.US, "heartbeat_timeout")
    assert (closed.initiator, closed.cause) == ORIGINS[Event.CLOSE]


@pytest.mark.parametrize("reason", CloseReason)
def test_every_reason_is_told_as_it_is_whatever_the_event(reason: CloseReason) -> None:
    for event in (Event.CLOSE, Event.TRANSPORT_LOST, Event.REFUSED):
        last = told(Event.REQUEST_ACCEPTED, event, reason=reason)[-1]
        assert (last.initiator, last.cause) == (reason.initiator, reason.cause)


def test_a_history_whose_beginning_is_forgotten_still_says_where_it_goes_on_from() -> None:
    rounds = (Event.QUIET, Event.ACTIVITY) * KEPT
    first, *rest = told(*BEGINNING, *rounds)
    assert (first.previous, first.state) == (State.ACTIVE, State.IDLE)
    assert len(rest) == KEPT - 1


def test_a_former_state_is_left_open_where_there_are_several() -> None:
    (only,) = explained([Step(State.CLEANUP, Event.HUNG_UP, 1.0)], KICKED)
    assert only.previous is None


def test_every_transition_that_a_living_one_can_make_says_where_it_came_from() -> None:
    for state, rows in TABLE.items():
        for event, row in rows.items():
            if row.next in {State.AUTHENTICATING, State.ACTIVE, State.IDLE}:
                (only,) = explained([Step(row.next, event, 0.0)], None)
                assert only.previous is state


def test_what_was_read_from_the_store_is_told_alike() -> None:
    kept = lived(*BEGINNING, Event.CLOSE, Event.HUNG_UP).history
    read = [Step(str(each.state), str(each.event), each.after_s) for each in steps(kept)]  # type: ignore[arg-type]
    assert explained(read, KICKED) == explained(steps(kept), KICKED)


def test_an_event_of_another_version_has_nobody_and_no_cause() -> None:
    (only,) = explained([Step("resting", "lay_down", 1.0)], None)  # type: ignore[arg-type]
    assert only == Explained(None, "resting", "lay_down", None, "", 1.0)  # type: ignore[arg-type]
