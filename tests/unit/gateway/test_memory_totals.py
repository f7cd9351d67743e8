"""What all sessions of a device come to."""

from __future__ import annotations

import pytest

from keepline.wire.frames import Opcode
from tests.unit.gateway.fakes import Life, World
from tests.unit.gateway.test_memory import Keeping, come


async def test_totals_grow_with_each_session() -> None:
    world = World(Keeping)
    for _ in range(3):
        life = await come(world)
        world.pass_time(5.0)
        life.loses_tcp()
    totals = await world.hub.totals("device-1")
    assert totals is not None
    assert (totals.sessions, totals.resumed) == (3, 2)
    assert totals.connected_s == pytest.approx(15.0, abs=0.5)


async def test_the_round_trips_of_all_sessions_are_averaged() -> None:
    world = World(Keeping)
    for round_trips_s in ([0.04], [0.1, 0.1]):
        life = await come(world)
        for seen, round_trip_s in enumerate(round_trips_s):
            while len(pings := pings_of(life)) == seen:
                world.pass_time(0.1)
            world.clock.advance(round_trip_s)
            life.pongs(pings[-1])
        life.loses_tcp()
    totals = await world.hub.totals("device-1")
    assert totals is not None
    assert (totals.pings, totals.ping_failures) == (3, 0)
    assert totals.average_rtt_s == pytest.approx(0.08, rel=0.01)


def pings_of(life: Life) -> list[bytes]:
    return [payload for opcode, payload in life.transport.frames if opcode == Opcode.PING]
