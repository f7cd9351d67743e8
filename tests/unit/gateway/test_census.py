from __future__ import annotations

import asyncio

from keepline.gateway.census import SLICE, look_around
from keepline.lifecycle.heartbeat import CONDEMNED, SUSPECTED
from keepline.lifecycle.wheel import TICK_S
from keepline.monitor.gauges import Gauge
from tests.unit.gateway.fakes import Slow, World, settle

LISTEN = '{"type":"listen","state":"detect","text":"hello"}'


async def test_sessions_are_counted_by_state() -> None:
    world = World(session={"idle_after_s": 5.0})
    world.connect("one")
    world.pass_time(6.0)
    world.connect("two")
    found = await look_around(world.node)
    assert found[Gauge.CONNECTIONS] == 2
    assert (found[Gauge.ACTIVE_CONNECTIONS], found[Gauge.IDLE_CONNECTIONS]) == (1, 1)


async def test_who_said_or_was_told_something_lately_talks_and_who_has_only_come_does_not() -> None:
    world = World(monitor={"interval_s": 5.0}, session={"idle_after_s": 30.0})
    says, hears, comes = (world.connect(name) for name in ("says", "hears", "comes"))
    world.pass_time(1.0)
    says.streams(b"opus")
    hears.session.send_audio(b"opus")
    found = await look_around(world.node)
    assert (found[Gauge.ACTIVE_CONNECTIONS], found[Gauge.TALKING_CONNECTIONS]) == (3, 2)
    world.pass_time(4.9)
    comes.says(LISTEN)
    assert (await look_around(world.node))[Gauge.TALKING_CONNECTIONS] == 3
    world.pass_time(0.3)
    found = await look_around(world.node)
    assert (found[Gauge.ACTIVE_CONNECTIONS], found[Gauge.TALKING_CONNECTIONS]) == (3, 1)


async def test_who_talked_lately_and_is_idle_already_has_talked() -> None:
    world = World(monitor={"interval_s": 5.0}, session={"idle_after_s": 1.0})
    life = world.connect()
    world.pass_time(1.0)
    life.streams(b"opus")
    world.pass_time(2.0)
    found = await look_around(world.node)
    assert (found[Gauge.IDLE_CONNECTIONS], found[Gauge.TALKING_CONNECTIONS]) == (1, 1)
    world.pass_time(4.0)
    assert (await look_around(world.node))[Gauge.TALKING_CONNECTIONS] == 0


async def test_sessions_are_counted_by_what_the_judge_said() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(3)]
    for life, stage in zip(lives, (SUSPECTED, CONDEMNED, 0), strict=True):
        heart = life.connection.heartbeat
        heart.stage, heart.asked_at = stage, heart.last_rx + 1
    found = await look_around(world.node)
    assert (found[Gauge.SUSPICIOUS_CONNECTIONS], found[Gauge.ZOMBIE_CONNECTIONS]) == (1, 1)


async def test_what_waits_for_handlers_and_for_devices_is_added_up() -> None:
    world = World(make_handler=Slow)
    one, two = world.connect("one"), world.connect("two")
    for life in (one, two):
        for _ in range(4):  # the first is under way
            life.streams(b"0123456789")
        life.connection.pause_writing()
        life.connection.send(b"twelve bytes")
    await settle()
    found = await look_around(world.node)
    assert (found[Gauge.INBOX_DEPTH], found[Gauge.INBOX_BYTES]) == (6, 60)
    assert (found[Gauge.OUTBOX_DEPTH], found[Gauge.OUTBOX_BYTES]) == (2, 24)
    assert (found[Gauge.QUEUE_DEPTH], found[Gauge.QUEUE_BYTES]) == (8, 84)
    for life in (one, two):
        life.handler.go.set()  # type: ignore[attr-defined]
        life.loses_tcp()
    await settle()


async def test_others_have_their_turns_while_many_are_counted() -> None:
    world = World()
    for number in range(3 * SLICE):
        world.connect(f"device-{number}")
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count_turns())
    found = await look_around(world.node)
    other.cancel()
    assert found[Gauge.ACTIVE_CONNECTIONS] == 3 * SLICE
    assert turns >= 3


async def test_who_leaves_while_many_are_counted_does_no_harm() -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(2 * SLICE)]
    counting = asyncio.create_task(look_around(world.node))
    await asyncio.sleep(0)
    for life in lives:
        life.loses_tcp()
    found = await counting
    assert found[Gauge.ACTIVE_CONNECTIONS] == SLICE  # who was counted before they left


async def test_the_worst_lateness_is_that_since_the_look_before() -> None:
    world = World()
    world.stall(TICK_S + 2.0)
    assert round((await look_around(world.node))[Gauge.LOOP_LAG_MAX_S] or 0, 3) == 2.0
    assert (await look_around(world.node))[Gauge.LOOP_LAG_MAX_S] == 0
