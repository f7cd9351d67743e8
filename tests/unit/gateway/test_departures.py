from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keepline.gateway.governor.batch import FIRST, TURN_S
from keepline.gateway.handler import Handler
from keepline.hub.port import Outcome
from tests.unit.gateway.fakes import World, settle

if TYPE_CHECKING:
    import pytest

    from keepline.gateway.session import Session


class Keeper(Handler):
    """Leaves one word, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: bytes | None = None

    def snapshot(self) -> bytes:
        return b"a word"

    def restore(self, state: bytes) -> None:
        self.given = state


async def test_beyond_the_limit_they_wait_for_the_next_turns_in_their_order() -> None:
    world = World()
    lives = [world.connect(f"device-{n}") for n in range(2 * FIRST + 2)]
    for life in lives:
        life.loses_tcp()
    assert len(world.node.registry) == len(world.node.departures) == FIRST + 2
    await asyncio.sleep(0)
    assert list(world.node.registry) == [lives[-1].session]
    await asyncio.sleep(0)
    assert not world.node.registry
    assert not world.node.departures


async def test_the_limit_grows_while_turns_are_short() -> None:
    world = World()
    for life in [world.connect(f"device-{n}") for n in range(4 * FIRST)]:
        life.loses_tcp()
    await settle()
    assert not world.node.departures
    assert world.node.departures.batch.size > FIRST


async def test_after_a_long_turn_it_is_smaller() -> None:
    world = World()
    used_s = 0.0
    world.clock.thread_cpu = lambda: used_s
    for life in [world.connect(f"device-{n}") for n in range(FIRST)]:
        life.loses_tcp()
    used_s = 2 * TURN_S
    await asyncio.sleep(0)
    assert world.node.departures.batch.size == FIRST // 2


async def test_the_limit_is_for_each_turn_anew() -> None:
    world = World()
    for _ in range(3):
        lives = [world.connect(f"device-{n}") for n in range(FIRST)]
        for life in lives:
            life.loses_tcp()
        assert not world.node.registry
        await settle()


async def test_who_comes_back_while_its_cleanup_waits_finds_what_it_left() -> None:
    world = World(make_handler=Keeper)
    crowd = [world.connect(f"device-{n}") for n in range(FIRST)]
    last = world.connect("the-last")
    for life in [*crowd, last]:
        life.loses_tcp()
    assert len(world.node.departures) == 1
    again = world.connect("the-last")
    assert not world.node.departures
    assert again.session.outcome is Outcome.RESUMED
    assert _handler_of(again.session).given == b"a word"
    assert list(world.node.registry) == [again.session]
    await settle()
    assert list(world.node.registry) == [again.session]


def _handler_of(session: Session) -> Keeper:
    assert isinstance(session.handler, Keeper)
    return session.handler


async def test_beyond_the_limit_who_hangs_up_is_closed_in_the_next_turn() -> None:
    world = World()
    lives = [world.connect(f"device-{n}") for n in range(FIRST + 1)]
    assert [life.connection.eof_received() for life in lives] == [False] * FIRST + [True]
    assert not lives[-1].transport.closed
    await asyncio.sleep(0)
    assert lives[-1].transport.closed
    assert not world.node.departures


async def test_who_hangs_up_under_tls_is_never_kept_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    lives = [world.connect(f"device-{n}") for n in range(FIRST + 1)]
    monkeypatch.setattr(lives[-1].transport, "can_write_eof", lambda: False)
    assert not any(life.connection.eof_received() for life in lives)
