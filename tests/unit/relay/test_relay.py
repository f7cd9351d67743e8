"""The connects of a relay: who is asked, and what is counted of them."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from tests.unit.gateway.fakes import settle
from tests.unit.relay.voices import Relayed


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
