"""What a connection's history says of the end of its TCP."""

from __future__ import annotations

import pytest

from keepline.lifecycle.history import steps
from keepline.lifecycle.states import Event, State
from tests.unit.gateway.fakes import World


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (None, Event.HUNG_UP),
        (ConnectionResetError(), Event.HUNG_UP),
        (TimeoutError(), Event.TRANSPORT_LOST),
    ],
)
async def test_how_tcp_ends_after_our_close_is_kept_too(
    error: Exception | None, event: Event
) -> None:
    life = World().connect()
    life.session.close()
    lifecycle = life.connection.lifecycle
    life.loses_tcp(error)
    gone, _ = steps(lifecycle.history)[-2:]
    assert (gone.state, gone.event) == (State.CLEANUP, event)


async def test_who_is_being_closed_and_dropped_by_us_has_not_hung_up() -> None:
    life = World().connect()
    life.session.close()
    connection = life.connection
    connection.drop()
    assert life.transport.aborted
    life.loses_tcp()  # as the loop tells it afterwards
    connection.drop()
    assert steps(connection.lifecycle.history)[-2].event is Event.CLOSE_DUE
    assert life.handler.names == ["opened", "closed"]


async def test_who_is_dropped_without_a_reason_to_end_waits_for_its_tcp() -> None:
    life = World().connect()
    life.connection.drop()
    assert life.transport.aborted
    assert life.connection.lifecycle.state is State.ACTIVE
