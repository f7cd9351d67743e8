"""Claims of one node, over a directory that does what a test wants."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from keepline.errors import HubDownError
from keepline.hub.cluster.claims import Claims
from keepline.hub.cluster.lanes import Lanes
from keepline.hub.port import Claim
from tests.hub.stand_ins import CountingNode
from tests.unit.gateway.fakes import settle


class Electing:
    """A directory without a leader: who comes is told so, who waits goes on waiting."""

    async def claim(self, *_: Any) -> Claim:
        raise HubDownError("no leader")

    async def claim_since(self, *_: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def save(self, *_: Any) -> None:
        await asyncio.get_running_loop().create_future()

    def wall(self) -> float:
        return 0.0


def claims_of(lanes: Lanes) -> Claims:
    return Claims(
        cast("Any", None),
        cast("Any", Electing()),
        lanes,
        life="one-1",
        node="one",
        within_s=7.0,
        lets_in_while_away=True,
    )


async def test_a_claim_that_is_owed_is_made_up_for_once_at_a_time() -> None:
    lanes = Lanes(asyncio.get_running_loop())
    claims, holder = claims_of(lanes), CountingNode()
    holder.open(await claims.claim("device", "session-1"))
    for _ in range(3):
        claims.each_tick(holder)
        await settle()
    assert len(lanes) == 1
    await claims.stop()
    await lanes.stop()


async def test_a_newer_state_that_waits_takes_the_room_that_it_needs() -> None:
    lanes = Lanes(asyncio.get_running_loop(), most_bytes=2_000)
    claims, claim = claims_of(lanes), Claim("device", "session-1", 1)
    first = asyncio.create_task(claims.save(claim, b""))
    await settle()
    second = asyncio.create_task(claims.save(claim, bytes(1_500)))
    await settle()
    assert lanes.waiting_bytes >= 1_500
    with pytest.raises(HubDownError, match="no room"):
        await claims.save(claim, bytes(2_500))
    await lanes.stop()
    await asyncio.wait({first, second})
    assert lanes.waiting_bytes == 0
