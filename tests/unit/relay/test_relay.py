"""The connects of a relay: who is asked, and what is counted of them."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from keepline.relay.relay import LEAVE_AT_ONCE
from tests.unit.gateway.fakes import settle
from tests.unit.relay.voices import Relayed, session_of


@pytest.fixture(autouse=True)
def _no_patch_outlives_its_test() -> Iterator[None]:
    yield
    mock.patch.stopall()


async def test_a_device_that_leaves_before_its_connect_began_leaves_none_under_way() -> None:
    world = Relayed()
    mock.patch.stopall()  # connects as a gateway does
    life = world.come()
    assert sum(each.opening for each in world.pool.upstreams) == 1
    life.loses_tcp()
    await settle()
    assert sum(each.opening for each in world.pool.upstreams) == 0
    assert not world.relay.dials


async def test_a_fleet_leaves_a_draining_upstream_so_many_in_a_turn() -> None:
    world = Relayed(upstream={"urls": ["ws://a/"], "slow_start_s": 0, "connects": 1_000})
    lives = []
    for number in range(2 * LEAVE_AT_ONCE):
        lives.append(world.come(f"device-{number}"))
        world.succeed()
    [upstream] = world.pool.upstreams
    upstream.drain()

    def stay() -> int:
        return sum(bool(session_of(life).upstream) for life in lives)

    world.relay.empty(upstream)
    assert stay() == LEAVE_AT_ONCE
    await settle()
    assert stay() == 0
