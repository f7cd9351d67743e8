"""What several nodes on one engine do with each other's devices."""

from __future__ import annotations

import asyncio
import random

import pytest

from keepline.errors import (
    CommandError,
    NoAnswerError,
    NotConnectedError,
    ReplacedError,
)
from keepline.hub.cluster.records import Owner
from keepline.hub.cluster.stream import Kept, Streams
from keepline.hub.port import Claim, Outcome
from tests.hub.cluster import Cluster, ClusterNode
from tests.hub.stand_ins import WINDOW_S
from tests.waiting import PATIENCE_S, eventually


async def test_a_device_that_changes_nodes_takes_its_state_with_it(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    older, _ = one.holder.sessions["device"]
    await two.log_in("device", "session-2")
    assert one.holder.given_up == ["device"]
    assert two.holder.state("device") == b"2"
    with pytest.raises(ReplacedError):
        await one.hub.save(older, b"too late")


async def test_what_was_left_at_one_node_is_resumed_or_expired_at_another(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    for device_id in ("early", "late"):
        claim = await one.hub.claim(device_id, f"of {device_id}")
        await one.hub.release(claim, b"state", WINDOW_S)
    cluster.clock.advance(WINDOW_S - 1)
    early = await two.hub.claim("early", "session-1")
    assert (early.outcome, early.state) == (Outcome.RESUMED, b"state")
    cluster.clock.advance(1)
    late = await two.hub.claim("late", "session-2")
    assert (late.outcome, late.state) == (Outcome.EXPIRED, None)
    await two.hub.release(late, None, WINDOW_S)
    assert (await one.hub.claim("late", "session-3")).outcome is Outcome.NEW


async def test_a_device_of_a_node_that_was_killed_is_taken_once_that_is_overdue(
    cluster: Cluster,
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    claim, _ = one.holder.sessions["device"]
    await one.hub.save(claim, b"41")
    await cluster.beat()
    await cluster.kill(one)
    taking = asyncio.create_task(two.log_in("device", "session-2"))
    await cluster.beat(4)
    assert not taking.done()  # it may be connecting to another server at this moment
    await cluster.beat(3)
    await taking
    assert two.holder.state("device") == b"42"


async def test_a_node_that_comes_back_takes_what_its_former_life_held_at_once(
    cluster: Cluster,
) -> None:
    one = await cluster.join("one", has_file=True)
    await one.log_in("device", "session-1")
    claim, _ = one.holder.sessions["device"]
    await one.hub.save(claim, b"1")
    await one.hub.events()  # who has it is in the file as well
    await cluster.kill(one)
    again = await cluster.join("one", has_file=True)
    await again.log_in("device", "session-2")
    assert again.holder.state("device") == b"2"


async def test_windows_begin_for_what_a_former_life_held_and_nobody_came_for(
    cluster: Cluster,
) -> None:
    one = await cluster.join("one", has_file=True)
    await one.log_in("device", "session-1")
    claim, _ = one.holder.sessions["device"]
    await one.hub.save(claim, b"1")
    await one.hub.events()
    await cluster.kill(one)
    cluster.clock.advance(10 * WINDOW_S)
    again = await cluster.join("one", has_file=True)
    await cluster.beat()
    await eventually(lambda: again.hub.upkeep.is_idle)
    cluster.clock.advance(WINDOW_S)
    assert (await again.hub.claim("device", "session-2")).outcome is Outcome.EXPIRED


async def test_commands_reach_a_device_at_any_node(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("aa:bb:cc", "session-1")
    await one.log_in("ünïcode . * > id", "session-2")
    assert await two.hub.send("aa:bb:cc", b"hello", 5.0) == b"heard hello"
    assert await two.hub.send("ünïcode . * > id", b"hello", 5.0) == b"heard hello"


async def test_a_command_for_a_device_that_nobody_holds_fails_at_once(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    with pytest.raises(NotConnectedError):
        await two.hub.send("device", b"hello", 60.0)
    await one.log_in("device", "session-1")
    await one.holder.close("device")
    with pytest.raises(NotConnectedError):
        await two.hub.send("device", b"hello", 60.0)
    await one.log_in("device", "session-2")
    await cluster.kill(one)
    with pytest.raises(NotConnectedError):
        await two.hub.send("device", b"hello", 60.0)


async def test_that_nobody_holds_a_device_is_believed_of_the_leader_alone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    read = Streams.read

    async def read_old(
        streams: Streams, stream: str, subject: str, *, from_leader: bool
    ) -> Kept | None:
        """Read as from a server that has not heard of the newest writes."""
        return await read(streams, stream, subject, from_leader=True) if from_leader else None

    await two.log_in("device", "session-1")
    monkeypatch.setattr(Streams, "read", read_old)
    assert await one.hub.send("device", b"x", PATIENCE_S) == b"heard x"


async def test_what_no_device_understands_is_told_to_whoever_sent_it(cluster: Cluster) -> None:
    async def refuse(device_id: str, payload: bytes) -> bytes:
        raise CommandError("no such type")

    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    one.holder.command = refuse  # type: ignore[method-assign]
    with pytest.raises(CommandError, match="no such type"):
        await two.hub.send("device", b"hello", 5.0)


async def test_a_command_that_another_node_does_not_answer_has_an_unknown_outcome(
    cluster: Cluster,
) -> None:
    asked = asyncio.Event()

    async def never(device_id: str, payload: bytes) -> bytes:
        asked.set()
        await asyncio.sleep(3_600)
        return b""

    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    one.holder.command = never  # type: ignore[method-assign]
    with pytest.raises(NoAnswerError):
        await two.hub.send("device", b"hello", 0.05)
    await asked.wait()


async def test_every_node_says_where_a_device_is_and_how_it_is(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    seen = [await node.hub.where("device") for node in (one, two)]
    assert seen[0] == seen[1]
    assert seen[0] is not None
    assert (seen[0].node, seen[0].session_id, seen[0].state) == ("one", "session-1", "active")
    await cluster.kill(one)
    assert await two.hub.where("device") is None


async def test_every_node_knows_the_load_of_all_that_are_alive(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    await cluster.beat()

    async def loads(node: ClusterNode) -> list[tuple[str, int]]:
        return [(each.name, each.sessions) for each in await node.hub.nodes()]

    assert await loads(one) == await loads(two) == [("one", 1), ("two", 0)]
    await cluster.kill(one)
    await cluster.outwait()
    assert await loads(two) == [("two", 0)]


async def test_two_nodes_of_one_name_are_told_once(cluster: Cluster) -> None:
    one, other = await cluster.join("one"), await cluster.join("one")
    await cluster.beat(3)
    await eventually(lambda: one.namesakes and other.namesakes)
    assert (one.namesakes, other.namesakes) == ([other.life], [one.life])


async def test_a_node_that_leaves_is_gone_at_once(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    await cluster.beat()
    one.is_gone = True
    await one.hub.stop(1.0)
    await eventually(lambda: len(two.hub.peers.alive()) == 0)
    await two.log_in("device", "session-2")  # waits for nobody


async def test_a_node_that_was_cut_off_closes_what_it_has_lost(cluster: Cluster) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("lost", "session-1")
    await one.log_in("kept", "session-2")
    await one.hub.events()
    await cluster.beat()
    await one.cable.cut()
    await eventually(lambda: not one.hub.link.is_up)
    taking = asyncio.create_task(two.log_in("lost", "session-3"))
    await cluster.outwait()
    await taking
    assert one.holder.given_up == []
    await one.cable.mend()
    await eventually(lambda: one.hub.link.is_up)
    await eventually(lambda: one.holder.given_up == ["lost"])
    assert "kept" in one.holder.sessions


async def test_a_login_that_lost_before_its_session_began_is_closed_when_it_has(
    cluster: Cluster,
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    claim = await one.hub.claim("device", "session-1")
    await two.log_in("device", "session-2")
    one.holder.open(claim)
    await cluster.beat()
    await eventually(lambda: "device" not in one.holder.sessions)
    assert await two.hub.where("device") is not None


async def test_a_login_that_lost_is_closed_although_the_session_before_it_was_still_here(
    cluster: Cluster,
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    await one.log_in("device", "session-1")
    claim = await one.hub.claim("device", "session-2")
    await two.log_in("device", "session-3")
    one.holder.open(claim)
    await cluster.beat()
    await eventually(lambda: "device" not in one.holder.sessions)


async def test_many_logins_at_all_nodes_leave_one_holder(cluster: Cluster) -> None:
    nodes = [await cluster.join(f"node-{n}", claim_timeout_s=60.0) for n in range(4)]
    await asyncio.gather(*(nodes[n % 4].log_in("device", f"session-{n}") for n in range(40)))
    await cluster.beat(2)
    where = await nodes[0].hub.where("device")
    assert where is not None
    holding = [node.name for node in nodes if "device" in node.holder.sessions]
    assert holding == [where.node]


async def test_no_session_is_forgotten_however_devices_hop_over_nodes(cluster: Cluster) -> None:
    """The counter test: each session adds one to what lives in its holder's memory alone."""
    nodes = [await cluster.join(f"node-{n}", claim_timeout_s=60.0) for n in range(4)]
    choice = random.Random(3)
    visits = dict.fromkeys((f"device-{number}" for number in range(50)), 0)

    async def hop(device_id: str) -> None:
        at: ClusterNode | None = None
        for step in range(12):
            if at is not None and choice.random() < 0.3:
                await at.holder.close(device_id)
            at = choice.choice(nodes)
            await at.log_in(device_id, f"{device_id}-{step}")
            visits[device_id] += 1

    await asyncio.gather(*map(hop, visits))
    for device_id, count in visits.items():
        await nodes[0].log_in(device_id, "the last one")
        assert nodes[0].holder.state(device_id) == str(count + 1).encode()


async def test_no_session_is_forgotten_when_the_engine_is_killed_meanwhile(
    cluster: Cluster,
) -> None:
    nodes = [await cluster.join(f"node-{n}", claim_timeout_s=60.0) for n in range(4)]
    choice = random.Random(5)
    visits = dict.fromkeys((f"device-{number}" for number in range(30)), 0)
    has_hopped = asyncio.Event()

    async def hop(device_id: str) -> None:
        at: ClusterNode | None = None
        for step in range(10):
            if at is not None and choice.random() < 0.3:
                await at.holder.close(device_id)
            at = choice.choice(nodes)
            await at.log_in(device_id, f"{device_id}-{step}")
            visits[device_id] += 1
            if step == 4:
                has_hopped.set()

    hopping = asyncio.gather(*map(hop, visits))
    await has_hopped.wait()
    await cluster.engine.kill()
    await eventually(lambda: not any(node.hub.link.is_up for node in nodes))
    await cluster.engine.start()
    await hopping
    for device_id, count in visits.items():
        await nodes[0].log_in(device_id, "the last one")
        assert nodes[0].holder.state(device_id) == str(count + 1).encode()


async def test_what_was_acknowledged_is_there_when_a_node_is_killed_meanwhile(
    cluster: Cluster,
) -> None:
    nodes = [await cluster.join(f"node-{n}", claim_timeout_s=60.0) for n in range(4)]
    choice = random.Random(7)
    devices = [f"device-{number}" for number in range(30)]
    tried, sure = dict.fromkeys(devices, 0), dict.fromkeys(devices, 0)

    async def hop(device_id: str) -> None:
        for step in range(12):
            if step == 5 and device_id == "device-0":
                await cluster.kill(nodes[3])
            at = choice.choice([node for node in nodes if not node.is_gone])
            tried[device_id] += 1
            visiting = asyncio.create_task(_visit(at, device_id, step))
            await asyncio.wait({visiting})
            if not visiting.cancelled() and visiting.exception() is None:
                sure[device_id] = max(sure[device_id], visiting.result())

    hopping = asyncio.gather(*map(hop, devices))
    while not hopping.done():
        await cluster.beat()
        await asyncio.wait({hopping}, timeout=0.01)
    await hopping
    for device_id in devices:
        await nodes[0].log_in(device_id, "the last one")
        assert sure[device_id] < int(nodes[0].holder.state(device_id)) <= tried[device_id] + 1


async def _visit(node: ClusterNode, device_id: str, step: int) -> int:
    """Count one more, and return to what, once that is acknowledged."""
    await node.log_in(device_id, f"{device_id}-{step}")
    claim, count = node.holder.sessions[device_id]
    await node.hub.save(claim, str(count).encode())
    return count


async def test_a_claim_whose_caller_left_is_given_back_without_its_number(
    cluster: Cluster,
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    claiming = asyncio.create_task(one.hub.claim("device", "session-1"))
    await asyncio.sleep(0)
    claiming.cancel()
    await asyncio.wait({claiming})
    await one.hub.release(Claim("device", "session-1", 0), None, WINDOW_S)
    assert await two.hub.where("device") is None


async def test_an_heir_asks_its_elder_for_devices_and_gives_back_what_that_leaves(
    cluster: Cluster,
) -> None:
    elder = await cluster.join("one", has_file=True)
    await elder.log_in("moves", "session-1")
    await elder.log_in("stays", "session-2")
    claim, count = elder.holder.sessions["stays"]
    await elder.hub.save(claim, str(count).encode())
    elder.hub.share()
    heir = await cluster.join("one", has_file=True, elder=elder)
    await heir.log_in("moves", "session-3")
    assert heir.holder.state("moves") == b"2"
    await cluster.beat()
    await eventually(lambda: heir.hub.upkeep.is_idle)
    assert await heir.hub.where("stays") is not None
    assert (elder.namesakes, heir.namesakes) == ([], [])
    await elder.hub.events()
    await cluster.kill(elder)
    await heir.hub.outlive(WINDOW_S)
    await cluster.beat()
    await eventually(lambda: heir.hub.upkeep.is_idle)
    assert await heir.hub.where("stays") is None
    await heir.log_in("stays", "session-4")
    assert heir.holder.state("stays") == b"2"


async def test_a_claim_that_was_given_up_half_way_costs_a_device_nothing_of_what_it_left(
    cluster: Cluster,
) -> None:
    one, two = await cluster.join("one"), await cluster.join("two")
    left = await two.hub.claim("device", "session-1")
    await two.hub.release(left, b"state", WINDOW_S)
    # Its answer was lost, and then there was no time left to look.
    directory = one.hub.claims._directory
    mine = Owner(one.life, "one", "session-2", cluster.clock.wall())
    await directory._take("device", mine, None)
    await one.hub.release(Claim("device", "session-2", 0), None, WINDOW_S)
    assert (await two.hub.claim("device", "session-3")).state == b"state"
