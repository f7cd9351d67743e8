from __future__ import annotations

from typing import Any

from keepline.gateway.isolation.release import release_biggest
from keepline.gateway.outbox import Outbox
from tests.unit.gateway.fakes import World


def queue_of(world: World, frames: int, size_bytes: int, messages: int = 1) -> Outbox:
    """Return what waits for a device that does not read."""
    outbox = Outbox(world.node.settings.outbox, now=0.0, buffered_bytes=0)
    for _ in range(messages):
        outbox.put(b"message", 100, audio=False)
    for _ in range(frames):
        outbox.put(b"frame", size_bytes, audio=True)
    world.node.governor.backlogs.add(outbox)
    return outbox


async def test_the_largest_queues_lose_their_audio_first_and_no_message() -> None:
    world = World()
    small = [queue_of(world, 5, 100) for _ in range(20)]
    large = queue_of(world, 50, 1_000)
    assert release_biggest(world.node) == 50_000
    assert (len(large), large.size_bytes) == (1, 100)
    assert {len(each) for each in small} == {6}
    assert world.counters.outbox_audio_dropped == 50
    assert world.logged("audio_given_up")[0]["freed_bytes"] == 50_000


async def test_half_of_what_the_largest_hold_is_given_up_at_once() -> None:
    world = World()
    queues = [queue_of(world, 10, 100, messages=0) for _ in range(10)]
    assert release_biggest(world.node) == 5_000
    assert sorted(len(each) for each in queues) == [0] * 5 + [10] * 5


async def test_queues_of_messages_alone_give_up_nothing_and_nothing_is_told() -> None:
    world = World()
    queue = queue_of(world, 0, 0, messages=3)
    assert release_biggest(world.node) == 0
    assert len(queue) == 3
    assert world.logged("audio_given_up") == []


async def test_the_governor_has_it_done_at_its_full_strength_and_not_before() -> None:
    world = World()
    queue = queue_of(world, 10, 100)
    governor: Any = world.node.governor
    governor.force(0.8)
    assert len(queue) == 11
    governor.force(0.85)
    assert len(queue) == 1
