"""What several nodes do while their engine is away, and when it has lost everything."""

from __future__ import annotations

import asyncio

import pytest

from keepline.errors import HubDownError, ReplacedError
from keepline.hub.port import Outcome
from tests.hub.cluster import Cluster
from tests.hub.stand_ins import WINDOW_S
from tests.waiting import PATIENCE_S, eventually, within


async def test_a_save_waits_for_the_engine_and_the_newest_is_kept(cluster: Cluster) -> None:
    one = await cluster.join("one")
    claim = await one.hub.claim("device", "session-1")
    await one.hub.events()  # nothing waits for the file
    await cluster.engine.kill()
    await eventually(lambda: not one.hub.link.is_up)
    saving = [asyncio.create_task(one.hub.save(claim, str(n).encode())) for n in range(50)]
    await asyncio.sleep(0)
    assert one.hub.writing().is_down
    assert one.hub.writing().waiting == 1  # the newest alone
    await cluster.engine.start()
    await asyncio.gather(*saving)
    assert not one.hub.writing().is_down
    assert (await one.hub.claim("device", "session-2")).state == b"49"


async def test_a_claim_while_the_engine_is_away_is_refused_honestly(cluster: Cluster) -> None:
    one = await cluster.join("one", claim_timeout_s=0.05)
    await cluster.engine.kill()
    with pytest.raises(HubDownError):
        await one.hub.claim("device", "session-1")
    with pytest.raises(HubDownError):
        await one.hub.send("device", b"hello", 5.0)
    assert isinstance(one.troubles[0], HubDownError)
    await cluster.engine.start()
    await eventually(one.hub.admits)
    assert (await one.hub.claim("device", "session-2")).outcome is Outcome.NEW
    assert one.troubles[1:] == []
    await cluster.beat(3)
    assert one.troubles[1:] == [None]


async def test_a_device_that_was_let_in_provisionally_has_its_claim_when_the_engine_is_back(
    cluster: Cluster,
) -> None:
    one = await cluster.join("one", claim_timeout_s=0.05, lets_in_while_away=True)
    two = await cluster.join("two")
    await cluster.engine.kill()
    await eventually(lambda: not one.hub.link.is_up)
    claim = await one.hub.claim("device", "session-1")
    assert claim.provisional
    one.holder.open(claim)
    saving = asyncio.create_task(one.hub.save(claim, b"kept"))
    await cluster.engine.start()
    await saving
    await eventually(lambda: two.hub.link.is_up)
    where = await two.hub.where("device")
    assert where is not None
    assert where.node == "one"
    await one.hub.release(claim, None, WINDOW_S)
    assert (await two.hub.claim("device", "session-2")).state == b"kept"


async def test_a_device_that_was_let_in_provisionally_is_let_in_again(cluster: Cluster) -> None:
    one = await cluster.join("one", claim_timeout_s=0.05, lets_in_while_away=True)
    two = await cluster.join("two")
    await cluster.engine.kill()
    await eventually(lambda: not one.hub.link.is_up)
    released = one.hub.release(await one.hub.claim("device", "session-1"), b"left", WINDOW_S)
    async with within(PATIENCE_S):
        claim = await one.hub.claim("device", "session-2")
    assert claim.provisional
    one.holder.open(claim)
    await cluster.engine.start()
    await released
    await one.hub.save(claim, b"kept")
    await eventually(lambda: two.hub.link.is_up)
    where = await two.hub.where("device")
    assert where is not None
    assert where.session_id == "session-2"


async def test_a_provisional_device_goes_to_whoever_it_came_to_later(cluster: Cluster) -> None:
    one = await cluster.join("one", claim_timeout_s=0.05, lets_in_while_away=True)
    two = await cluster.join("two")
    await one.cable.cut()
    await eventually(lambda: not one.hub.link.is_up)
    one.holder.open(await one.hub.claim("device", "session-1"))
    cluster.clock.advance(1.0)
    await two.log_in("device", "session-2")
    await one.cable.mend()
    await eventually(lambda: one.hub.link.is_up)
    await cluster.beat()
    await eventually(lambda: one.holder.given_up == ["device"])
    assert "device" in two.holder.sessions


async def test_a_release_while_the_engine_is_away_is_done_when_it_is_back(
    cluster: Cluster,
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    claim = await one.hub.claim("device", "session-1")
    await cluster.engine.kill()
    await eventually(lambda: not one.hub.link.is_up)
    released = one.hub.release(claim, b"left", WINDOW_S)
    await cluster.engine.start()
    await released
    await eventually(lambda: two.hub.link.is_up)
    assert (await two.hub.claim("device", "session-2")).state == b"left"


async def test_an_engine_that_has_lost_everything_is_told_again_who_is_here(
    cluster: Cluster,
) -> None:
    one = await cluster.join("one")
    await one.log_in("device", "session-1")
    await one.hub.events()
    await cluster.engine.kill()
    await eventually(lambda: not one.hub.link.is_up)
    cluster.engine.forget()
    await cluster.engine.start()
    await eventually(lambda: one.hub.link.is_up)
    await eventually(lambda: one.hub.claims.owes("device"))
    await cluster.beat()
    claim, _ = one.holder.sessions["device"]
    await one.hub.save(claim, b"kept")
    two = await cluster.join("two")
    where = await two.hub.where("device")
    assert where is not None
    assert where.session_id == "session-1"


async def test_an_engine_that_has_lost_everything_gives_no_number_twice(cluster: Cluster) -> None:
    one = await cluster.join("one")
    lost = await one.hub.claim("device", "session-1")
    await cluster.engine.kill()
    await eventually(lambda: not one.hub.link.is_up)
    cluster.engine.forget()
    cluster.clock.advance(1.0)
    await cluster.engine.start()
    two = await cluster.join("two")
    await two.log_in("device", "session-2")
    await eventually(lambda: one.hub.link.is_up)
    assert two.holder.sessions["device"][0].number > lost.number
    with pytest.raises(ReplacedError):
        await one.hub.save(lost, b"too late")
