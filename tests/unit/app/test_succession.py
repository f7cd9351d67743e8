"""What one process takes over and leaves, as far as it is its own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from keepline.app import succession as successions
from keepline.app.succession import Succession
from keepline.gateway.door import Door
from tests.unit.gateway.drain.leaving import Leaving
from tests.unit.gateway.fakes import World
from tests.unit.gateway.test_admission import no_way
from tests.unit.gateway.virtual_time import virtual


class AwayHub:
    """A hub whose store cannot be written."""

    keeps_house = False

    async def outlive(self, window_s: float) -> int:
        """Wait for the store."""
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await never


async def test_a_store_that_cannot_be_written_keeps_no_process_whose_elder_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(successions, "LAST_WRITES_S", 0.02)
    composition: Any = SimpleNamespace(node=World().node, life="local-2", hub=AwayHub())
    succession = Succession(composition, None)
    succession._on_elder_gone()
    outliving = succession._outliving
    assert outliving is not None
    await asyncio.wait_for(succession.end(), 5.0)
    await asyncio.wait({outliving})
    assert outliving.cancelled()


@virtual
async def test_an_upgrade_waits_for_who_is_on_the_way_in_no_longer_than_their_deadline() -> None:
    slow = {"match": "slow-*", "hello_timeout_s": 5}
    world = Leaving(profiles={"xiaozhi": {"hello_timeout_s": 3}, "slow": slow})
    composition: Any = SimpleNamespace(node=world.node, life="local-2", hub=AwayHub(), admin=None)
    on_the_way: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def admit(_: Door) -> None:
        await on_the_way

    world.node.arrivals.begin(Door(world.node, no_way), admit)
    longest_s = max(each.hello_timeout_s for each in world.node.settings.profiles.values())
    await Succession(composition, None).settle()
    assert longest_s <= world.passed_s < longest_s + 1
    assert world.drain.is_leaving
    assert await world.drain.over()
