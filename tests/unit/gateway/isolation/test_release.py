from __future__ import annotations

from typing import Any

import pytest

from keepline.gateway.isolation import release
from keepline.gateway.isolation.release import release_biggest
from keepline.gateway.outbox import Outbox
from keepline.wire.messages import Tts
from tests.unit.gateway.fakes import Slow, World, settle


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


async def test_wherever_the_largest_stand_among_many_they_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(release, "LOOKED_AT", 10)
    world = World()
    small = [queue_of(world, 1, 10, messages=0) for _ in range(55)]
    large = [queue_of(world, 10, 1_000, messages=0) for _ in range(4)]
    for _ in range(6 * 3):  # in a round at least one of those that are left
        release_biggest(world.node)
    assert [each.size_bytes for each in large] == [0] * 4
    assert any(each.size_bytes for each in small)


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
    governor.look()
    assert len(queue) == 11
    governor.force(0.85)
    governor.look()
    assert len(queue) == 1


async def test_packets_that_are_early_are_given_up_as_well_and_the_words_around_them_are_said() -> (
    None
):
    world = World()
    life = world.connect()
    life.session.send(Tts("start"))
    for _ in range(40):
        life.session.send_audio(bytes(1_000))
    life.session.send(Tts("stop"))
    assert life.session._speaker is not None
    stop_bytes = len('{"type":"tts","state":"stop"}')
    assert world.node.governor._queued_bytes() == 34 * 1_000 + stop_bytes
    assert release_biggest(world.node) == 34 * 1_000
    assert world.counters.outbox_audio_dropped == 34
    assert world.node.governor._queued_bytes() == stop_bytes
    life.session._speaker.interrupt()
    assert [each["state"] for each in life.heard if each["type"] == "tts"] == ["start", "stop"]


async def test_what_waits_for_a_handler_is_counted_as_heard() -> None:
    world = World(make_handler=Slow)
    life = world.connect()
    for _ in range(5):
        life.streams(bytes(1_000))
    life.says('{"type":"custom","payload":1}')
    assert release_biggest(world.node) == 4_000
    assert (world.counters.inbox_audio_dropped, world.counters.outbox_audio_dropped) == (4, 0)
    life.handler.go.set()  # type: ignore[attr-defined]
    await settle()
    assert life.handler.names == ["opened", "audio", "text"]
