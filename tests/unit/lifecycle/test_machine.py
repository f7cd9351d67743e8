"""One connection walking through the table."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepline.errors import IllegalTransitionError
from keepline.lifecycle.machine import IMPLIED, LIVING, Lifecycle, loss
from keepline.lifecycle.states import TABLE, Effect, Event, State
from keepline.reasons import CloseReason

REASON = CloseReason.KICKED
EVERY_PAIR = [(state, event) for state in State for event in Event]

# What the shell can always do to a connection, wherever it stands.
FINISH = (Event.CLOSE, Event.CLOSE_DUE, Event.CLEANED)


def at(state: State, reason: CloseReason | None = None) -> Lifecycle:
    return Lifecycle(10.0, state, reason)


def active() -> Lifecycle:
    lifecycle = Lifecycle(0.0)
    lifecycle.receive(Event.REQUEST_ACCEPTED, 0.1)
    lifecycle.receive(Event.HELLO, 0.2)
    return lifecycle


@pytest.mark.parametrize(("state", "event"), EVERY_PAIR)
def test_every_event_in_every_state_does_what_the_table_says(state: State, event: Event) -> None:
    lifecycle = at(state)
    row = TABLE[state].get(event)
    if row is None:
        with pytest.raises(IllegalTransitionError, match=f"{event} .* {state}"):
            lifecycle.receive(event, 12.5, REASON)
        assert (lifecycle.state, lifecycle.since, lifecycle.reason) == (state, 10.0, None)
        return
    transition = lifecycle.receive(event, 12.5, REASON)
    kept = None if row.next in LIVING else REASON
    assert transition == (state, row.next, event, kept, 2.5, row.effects)
    assert lifecycle.state is row.next
    assert lifecycle.reason is kept
    assert lifecycle.since == (10.0 if row.next is state else 12.5)


def test_a_new_connection_is_connecting_for_no_reason() -> None:
    lifecycle = Lifecycle(5.0)
    assert lifecycle.state is State.CONNECTING
    assert lifecycle.since == 5.0
    assert lifecycle.reason is None


def test_the_first_reason_wins() -> None:
    lifecycle = active()
    first = lifecycle.receive(Event.CLOSE, 1.0, CloseReason.REPLACED)
    later = lifecycle.receive(Event.CLOSE, 1.1, CloseReason.KICKED)
    lost = lifecycle.receive(Event.TRANSPORT_LOST, 1.2, CloseReason.DEVICE_RESET)
    assert [first.reason, later.reason, lost.reason] == [CloseReason.REPLACED] * 3
    assert lifecycle.reason is CloseReason.REPLACED


def test_a_second_wish_to_close_does_nothing() -> None:
    lifecycle = active()
    lifecycle.receive(Event.CLOSE, 1.0, CloseReason.REPLACED)
    assert lifecycle.receive(Event.CLOSE, 1.1, CloseReason.KICKED).effects == ()


def test_silence_is_a_heartbeat_timeout_and_the_close_after_it_needs_no_reason() -> None:
    lifecycle = active()
    assert lifecycle.receive(Event.SILENT, 90.0).reason is CloseReason.HEARTBEAT_TIMEOUT
    closing = lifecycle.receive(Event.CLOSE, 90.0)
    assert closing.reason is CloseReason.HEARTBEAT_TIMEOUT
    assert closing.effects == (Effect.SEND_CLOSE, Effect.ARM_CLOSE_BOUND)


def test_a_peers_close_frame_is_its_own_reason() -> None:
    assert active().receive(Event.PEER_CLOSED, 1.0).reason is CloseReason.DEVICE_SAID_CLOSE


@pytest.mark.parametrize("event", [Event.CLOSE, Event.HUNG_UP, Event.TRANSPORT_LOST, Event.REFUSED])
def test_nothing_ends_without_a_reason(event: Event) -> None:
    lifecycle = at(State.AUTHENTICATING)
    with pytest.raises(IllegalTransitionError, match="needs a reason"):
        lifecycle.receive(event, 11.0)
    assert lifecycle.state is State.AUTHENTICATING
    assert lifecycle.reason is None


def test_a_device_hangs_up_and_anybody_else_loses_tcp() -> None:
    hung_up = {reason for reason in CloseReason if loss(reason) is Event.HUNG_UP}
    assert hung_up == {
        CloseReason.DEVICE_CLOSED,
        CloseReason.DEVICE_SAID_CLOSE,
        CloseReason.DEVICE_RESET,
    }
    assert loss(CloseReason.NETWORK_LOST) is Event.TRANSPORT_LOST


def test_a_reason_given_to_a_living_connection_is_not_kept() -> None:
    lifecycle = at(State.IDLE)
    lifecycle.receive(Event.ACTIVITY, 11.0, CloseReason.KICKED)
    assert lifecycle.reason is None


def test_idling_tells_the_handler_and_gives_the_buffers_back_and_waking_tells_it_again() -> None:
    lifecycle = active()
    assert lifecycle.receive(Event.QUIET, 30.0).effects == (
        Effect.TELL_IDLE,
        Effect.RELEASE_BUFFERS,
    )
    woken = lifecycle.receive(Event.ACTIVITY, 100.0)
    assert woken.effects == (Effect.TELL_WOKEN,)
    assert woken.after_s == 70.0


def test_a_claim_that_outlasts_its_connection_opens_nothing() -> None:
    lifecycle = at(State.AUTHENTICATING)
    lifecycle.receive(Event.TRANSPORT_LOST, 11.0, CloseReason.DEVICE_CLOSED)
    late = lifecycle.receive(Event.HELLO, 12.0)
    assert late.state is State.CLEANUP
    assert late.effects == ()


def test_a_lifecycle_takes_no_more_than_a_piece_of_64_bytes() -> None:
    assert sys.getsizeof(Lifecycle(0.0)) <= 64 - 8


def test_where_an_ending_began_is_kept_and_what_comes_later_does_not_change_it() -> None:
    life = Lifecycle(0.0)
    for event in (Event.REQUEST_ACCEPTED, Event.HELLO, Event.QUIET):
        life.receive(event, 0.5)
    assert life.ended_in is None
    life.receive(Event.SILENT, 1.0)
    life.receive(Event.CLOSE, 2.0)
    life.receive(Event.TRANSPORT_LOST, 3.0, CloseReason.DEVICE_RESET)
    assert life.ended_in is State.IDLE


def test_who_ends_before_anything_has_happened_ends_while_connecting() -> None:
    life = Lifecycle(0.0)
    life.receive(Event.TRANSPORT_LOST, 1.0, CloseReason.DEVICE_CLOSED)
    assert life.ended_in is State.CONNECTING


def reason_for(event: Event, drawn: CloseReason) -> CloseReason | None:
    return None if event in IMPLIED else drawn


@settings(deadline=None)
@given(st.data())
def test_any_legal_life_ends_closed_after_exactly_one_cleanup(data: st.DataObject) -> None:
    lifecycle = Lifecycle(0.0)
    effects: list[Effect] = []
    reasons: list[CloseReason] = []
    now = 0.0

    def receive(event: Event, reason: CloseReason | None) -> None:
        transition = lifecycle.receive(event, now, reason)
        effects.extend(transition.effects)
        if transition.reason is not None:
            reasons.append(transition.reason)

    for _ in range(data.draw(st.integers(0, 30))):
        now += data.draw(st.floats(0, 100))
        event = data.draw(st.sampled_from(list(TABLE[lifecycle.state])))
        receive(event, reason_for(event, data.draw(st.sampled_from(CloseReason))))
    for event in FINISH:
        if event in TABLE[lifecycle.state]:
            receive(event, CloseReason.SERVER_SHUTDOWN)

    assert lifecycle.state is State.CLOSED
    assert effects.count(Effect.START_CLEANUP) == 1
    assert lifecycle.reason is not None
    assert set(reasons) == {lifecycle.reason}
