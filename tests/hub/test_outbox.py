"""Events of all nodes in one stream: none is lost, none is there twice."""

from __future__ import annotations

import json
from typing import Any

import nats

from keepline.hub.cluster.records import EVENTS
from tests.hub.cluster import Cluster
from tests.waiting import eventually


async def all_of(cluster: Cluster, count: int) -> list[dict[str, Any]]:
    """Read the stream as anybody may, with a client of nobody's."""
    client = await nats.connect(cluster.engine.url)
    try:
        stream = client.jetstream()
        found = (await stream.stream_info(EVENTS)).state.messages
        assert found == count
        numbers = range(1, count + 1)
        return [
            json.loads((await stream.get_msg(EVENTS, number)).data or b"") for number in numbers
        ]
    finally:
        await client.close()


async def test_events_of_all_nodes_are_in_the_stream_in_each_node_s_order(
    cluster: Cluster,
) -> None:
    nodes = [await cluster.join("one"), await cluster.join("two")]
    for number in range(300):
        nodes[number % 2].hub.emit("device", "online", json.dumps({"number": number}).encode())
    await cluster.beat()
    await eventually(lambda: all(node.hub.outbox.is_empty for node in nodes))
    events = await all_of(cluster, 300)
    for name, first in (("one", 0), ("two", 1)):
        told = [event["data"]["number"] for event in events if event["node"] == name]
        assert told == list(range(first, 300, 2))
    assert events[0]["kind"] == "online"
    assert events[0]["device_id"] == "device"


async def test_events_wait_for_an_engine_that_is_away(cluster: Cluster) -> None:
    one = await cluster.join("one")
    await cluster.engine.kill()
    await eventually(lambda: not one.hub.link.is_up)
    for number in range(10):
        one.hub.emit("", "fault", json.dumps(number).encode())
    await cluster.beat(3)
    await cluster.engine.start()
    await eventually(one.hub.admits)
    await cluster.beat()
    await eventually(lambda: one.hub.outbox.is_empty)
    assert [event["data"] for event in await all_of(cluster, 10)] == list(range(10))


async def test_what_a_killed_node_had_sent_is_not_sent_twice_by_its_next_life(
    cluster: Cluster,
) -> None:
    one = await cluster.join("one", has_file=True)
    for number in range(5):
        one.hub.emit("", "fault", json.dumps(number).encode())
    await cluster.beat()
    await eventually(lambda: one.hub.outbox.is_empty)
    one.hub.emit("", "fault", b"5")
    await one.hub.events()  # it is in the file
    one.hub.keep_memo("cluster_outbox", json.dumps({"file": one.life, "id": 2}).encode())
    await one.hub.memo("cluster_outbox")  # as if killed before what came later was noted
    await cluster.kill(one)
    again = await cluster.join("one", has_file=True)
    await cluster.beat()
    await eventually(lambda: again.hub.outbox.is_empty)
    assert [event["data"] for event in await all_of(cluster, 6)] == list(range(6))


async def test_a_lost_node_is_an_event_once_however_many_have_noticed(cluster: Cluster) -> None:
    nodes = [await cluster.join(name) for name in ("one", "two", "three")]
    await cluster.beat()
    await cluster.kill(nodes[0])
    await cluster.outwait()
    await eventually(lambda: not any(node.hub._telling for node in nodes))
    [event] = await all_of(cluster, 1)
    assert event["kind"] == "node_lost"
    assert event["data"] == {"node": "one", "life": nodes[0].life}
