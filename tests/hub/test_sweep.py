"""What nobody comes for goes in time, and nothing that somebody may come for."""

from __future__ import annotations

import nats
import pytest

from keepline.hub.cluster import sweep
from keepline.hub.cluster.peers import LONG_DEAD_TICKS
from keepline.hub.port import Claim, Outcome
from tests.hub.cluster import Cluster, ClusterNode
from tests.hub.stand_ins import WINDOW_S
from tests.waiting import eventually


async def test_what_a_node_held_that_is_long_dead_is_given_back_and_its_windows_begin(
    cluster: Cluster,
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    claim, _ = one.holder.sessions["device"]
    await one.hub.save(claim, b"1")
    await cluster.kill(one)
    await cluster.outwait()
    await swept(two)
    assert await holder_of(two, "device") == one.life  # it may yet come back
    for _ in range(LONG_DEAD_TICKS):
        two.hub.peers.tick()
    await swept(two)
    assert await holder_of(two, "device") == ""
    cluster.clock.advance(WINDOW_S)
    assert (await two.hub.claim("device", "session-2")).outcome is Outcome.EXPIRED


async def test_a_sweep_forgets_what_is_over_and_then_that_there_was_a_device(
    cluster: Cluster,
) -> None:
    one = await cluster.join("one", events_age_s=3_600.0)
    kept = await one.hub.claim("kept", "session-1")
    await one.hub.release(await one.hub.claim("gone", "session-2"), b"state", WINDOW_S)
    await one.hub.save(kept, b"state")
    await swept(one)
    assert await records(cluster) == {
        "gw.own.kept",
        "gw.state.kept",
        "gw.own.gone",
        "gw.state.gone",
    }
    cluster.clock.advance(WINDOW_S)
    await swept(one)
    assert (await one.hub.claim("gone", "session-3")).outcome is Outcome.NEW
    await one.hub.release(Claim("gone", "session-3", 0), b"", WINDOW_S)
    cluster.clock.advance(3_600.0)
    await swept(one)
    assert await records(cluster) == {"gw.own.kept", "gw.state.kept"}
    assert (await one.hub.claim("gone", "session-4")).outcome is Outcome.NEW
    assert (await one.hub.claim("kept", "session-5")).state == b"state"


async def test_one_of_all_nodes_sweeps_and_all_pages_are_looked_at(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "AT_ONCE", 3)
    monkeypatch.setattr(sweep, "EACH_TICKS", 2)
    one, two = await cluster.join("a"), await cluster.join("b")
    for number in range(10):
        claim = await one.hub.claim(f"device-{number}", "session")
        await one.hub.release(claim, b"state", WINDOW_S)
    cluster.clock.advance(WINDOW_S)
    await cluster.beat(2)
    assert not one.hub.sweep.is_idle
    assert two.hub.sweep.is_idle
    await eventually(lambda: one.hub.sweep.is_idle)
    for number in range(10):
        _, owner = await two.hub.claims.find(f"device-{number}")
        assert owner is not None
        assert not owner.keeps


async def swept(node: ClusterNode) -> None:
    node.hub.sweep.begin()
    await eventually(lambda: node.hub.sweep.is_idle)


async def holder_of(node: ClusterNode, device_id: str) -> str:
    _, owner = await node.hub.claims.find(device_id)
    assert owner is not None
    return owner.life


async def records(cluster: Cluster) -> set[str]:
    client = await nats.connect(cluster.engine.url)
    try:
        info = await client.jetstream().stream_info("GW_DEV", subjects_filter=">")
        return set(info.state.subjects or {})
    finally:
        await client.close()
