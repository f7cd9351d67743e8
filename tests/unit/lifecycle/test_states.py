"""The table as a whole: what must hold for all of its rows."""

from __future__ import annotations

from keepline.lifecycle.machine import IMPLIED, LIVING
from keepline.lifecycle.states import ORIGINS, TABLE, Effect, Event, Row, State
from keepline.reasons import Initiator

ROWS = [(state, event, row) for state, rows in TABLE.items() for event, row in rows.items()]

ENDING = {State.DISCONNECTING, State.REJECTED, State.CLEANUP, State.CLOSED}


def reachable(start: State) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        for row in TABLE[todo.pop()].values():
            if row.next not in seen:
                seen.add(row.next)
                todo.append(row.next)
    return seen


def test_every_state_has_its_rows() -> None:
    assert set(TABLE) == set(State)


def test_every_event_is_known_somewhere() -> None:
    assert {event for _, event, _ in ROWS} == set(Event)


def test_every_effect_is_used() -> None:
    assert {effect for _, _, row in ROWS for effect in row.effects} == set(Effect)


def test_every_state_is_reached_from_the_first_and_reaches_the_last() -> None:
    assert reachable(State.CONNECTING) == set(State)
    for state in State:
        assert State.CLOSED in reachable(state)


def test_nothing_leaves_the_ending_for_the_living() -> None:
    for state in ENDING:
        assert reachable(state) <= ENDING


def test_nothing_leaves_closed() -> None:
    assert reachable(State.CLOSED) == {State.CLOSED}


def test_cleanup_starts_exactly_on_the_way_into_cleanup() -> None:
    for state, _, row in ROWS:
        enters = row.next is State.CLEANUP and state is not State.CLEANUP
        assert (Effect.START_CLEANUP in row.effects) is enters


def test_closed_is_reached_from_cleanup_alone() -> None:
    doors = {state for state, _, row in ROWS if row.next is State.CLOSED and state is not row.next}
    assert doors == {State.CLEANUP}


def test_staying_has_no_effect_but_closing_tcp_after_the_peers_answer() -> None:
    staying = [row for state, _, row in ROWS if row.next is state and row.effects]
    assert staying == [Row(State.DISCONNECTING, (Effect.CLOSE_TRANSPORT,))]


def test_a_transport_may_be_lost_and_a_close_wished_in_every_state() -> None:
    for state in State:
        assert Event.TRANSPORT_LOST in TABLE[state]
        assert Event.CLOSE in TABLE[state]


def test_whoever_ends_tcp_the_table_does_the_same() -> None:
    for rows in TABLE.values():
        assert rows[Event.HUNG_UP] == rows[Event.TRANSPORT_LOST]


def test_every_event_has_who_begins_it_and_why() -> None:
    assert set(ORIGINS) == set(Event)
    assert all(origin.cause for origin in ORIGINS.values())


def test_an_event_with_one_reason_has_one_initiator() -> None:
    for event, reason in IMPLIED.items():
        assert ORIGINS[event].initiator is reason.initiator


def test_only_who_was_judged_dead_is_closed_by_a_close_that_is_not_the_beginning_of_its_end() -> (
    None
):
    later = [
        (state, event)
        for state, event, row in ROWS
        if event in {Event.CLOSE, Event.REFUSED} and row.next is not state and state not in LIVING
    ]
    assert later == [(State.HEARTBEAT_TIMEOUT, Event.CLOSE)]
    assert ORIGINS[Event.CLOSE].initiator is Initiator.US


def test_whoever_waits_for_the_peer_has_armed_the_bound_and_knows_it() -> None:
    for state, _, row in ROWS:
        if row.next in {State.DISCONNECTING, State.REJECTED} and row.next is not state:
            assert Effect.ARM_CLOSE_BOUND in row.effects
    for state in (State.DISCONNECTING, State.REJECTED):
        assert TABLE[state][Event.CLOSE_DUE].effects[0] is Effect.ABORT_TRANSPORT


def test_the_seeds_transitions_are_all_there() -> None:
    edges = {(state, row.next) for state, _, row in ROWS}
    assert edges >= {
        (State.CONNECTING, State.AUTHENTICATING),
        (State.AUTHENTICATING, State.ACTIVE),
        (State.AUTHENTICATING, State.REJECTED),
        (State.ACTIVE, State.IDLE),
        (State.IDLE, State.ACTIVE),
        (State.ACTIVE, State.HEARTBEAT_TIMEOUT),
        (State.IDLE, State.HEARTBEAT_TIMEOUT),
        (State.ACTIVE, State.DISCONNECTING),
        (State.IDLE, State.DISCONNECTING),
        (State.HEARTBEAT_TIMEOUT, State.DISCONNECTING),
        (State.DISCONNECTING, State.CLEANUP),
        (State.CLEANUP, State.CLOSED),
    }
