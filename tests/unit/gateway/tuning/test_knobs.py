from __future__ import annotations

import json
from typing import Any, cast

from keepline.gateway.census import look_around
from keepline.gateway.governor.batch import FIRST, LEAST, MOST
from keepline.gateway.tuning.inboxes import WIDEST
from keepline.gateway.tuning.knobs import Knobs
from keepline.gateway.tuning.pace import MOST_APART
from keepline.gateway.tuning.tuning import EVENT, SLOWLY
from tests.unit.gateway.fakes import Life, Slow, World, settle


async def told(world: World) -> list[dict[str, Any]]:
    events = await world.hub.latest(kind=EVENT)
    return [json.loads(event.data) for event in reversed(events)]


def pass_minutes(world: World, minutes: float = 1) -> None:
    for _ in range(round(60 * minutes)):
        world.node.each_second()


async def test_what_does_not_move_is_no_event() -> None:
    world = World()
    pass_minutes(world, 3)
    assert await told(world) == []


async def test_what_moved_in_a_minute_is_one_event_with_where_it_was_meanwhile() -> None:
    world = World()
    world.node.each_second()
    for size in (20, 7, 9):
        world.node.departures.batch.size = size
        world.node.each_second()
    pass_minutes(world, 2)
    assert await told(world) == [
        {
            "what": "departures a turn",
            "changes": [
                {
                    "before": FIRST,
                    "after": 9,
                    "least": 7,
                    "most": 20,
                    "reason": "a turn of the loop has time for more: it took less than 4 ms",
                }
            ],
        }
    ]


async def test_a_number_that_is_where_it_was_before_has_moved_all_the_same() -> None:
    world = World()
    world.node.each_second()
    for size in (8, FIRST):
        world.node.departures.batch.size = size
        world.node.each_second()
    pass_minutes(world)
    [event] = await told(world)
    [change] = event["changes"]
    assert (change["before"], change["after"], change["least"]) == (FIRST, FIRST, 8)


async def test_what_looking_at_all_sessions_takes_has_it_done_less_often() -> None:
    world = World(monitor={"interval_s": 1})
    world.connect()
    used_s = 0.0

    def cpu() -> float:
        nonlocal used_s
        used_s += 0.03
        return used_s

    world.clock.thread_cpu = cpu
    world.node.each_second()
    for _ in range(20):
        await look_around(world.node)
    pass_minutes(world)
    events = {each["what"]: each["changes"] for each in await told(world)}
    [change] = events["samples apart"]
    assert (change["before"], change["after"]) == (1, MOST_APART)
    assert "% of a core, 1 at most" in change["reason"]


def speak(world: World, *lives: Life, apart_s: float = 0.06) -> None:
    """Have each say more than there is room for, at the pace of speech."""
    for _ in range(10):
        for life in lives:
            life.streams(b"frame")
        world.pass_time(apart_s)


async def test_a_handler_that_pauses_is_given_room_for_what_is_said_meanwhile() -> None:
    handler = Slow()
    world = World(make_handler=lambda: handler, inbox={"audio_frames": 4})
    life = world.connect()
    speak(world, life)
    assert world.counters.inbox_audio_dropped == 5
    world.node.each_second()
    world.node.knobs.on_sample()
    handler.go.set()
    await settle()
    world.node.knobs.on_sample()
    handler.go.clear()
    for _ in range(10):
        life.streams(b"frame")
    assert world.counters.inbox_audio_dropped == 5 + 3
    pass_minutes(world)
    [event] = await told(world)
    assert event["what"] == "audio frames in an inbox"
    assert event["changes"][0]["reason"] == (
        "5 frames were lost while handlers paused: they caught up"
    )
    handler.go.set()
    await settle()


async def lose_and_catch_up(world: World, *lives: Life, apart_s: float = 0.06) -> None:
    """Say more than there is room for, while a sample is taken, and have all of it heard."""
    speak(world, *lives, apart_s=apart_s)
    world.node.knobs.on_sample()
    for life in lives:
        cast("Slow", life.handler).go.set()
    await settle()


async def test_a_little_that_waits_in_each_of_many_inboxes_keeps_none_from_its_room() -> None:
    world = World(Slow, inbox={"audio_frames": 4})
    *busy, one, two = [world.connect(f"device-{number}") for number in range(8)]
    await lose_and_catch_up(world, one, two)
    for life in busy:
        life.streams(b"heard at once")
        life.streams(b"waits")
    world.node.knobs.on_sample()
    assert world.node.knobs.inboxes.frames == 6
    for life in busy:
        cast("Slow", life.handler).go.set()
    await settle()


async def test_of_several_devices_one_that_loses_audio_does_not_move_the_room_of_all() -> None:
    world = World(Slow, inbox={"audio_frames": 4})
    world.connect("quiet")
    await lose_and_catch_up(world, world.connect("loses"))
    world.node.knobs.on_sample()
    assert world.counters.inbox_audio_dropped == 5
    assert world.node.knobs.inboxes.frames == 4


async def test_devices_that_burst_together_do_not_move_the_room_of_all() -> None:
    world = World(Slow, inbox={"audio_frames": 4})
    lives = [world.connect(f"device-{number}") for number in range(3)]
    await lose_and_catch_up(world, *lives, apart_s=0.0)
    world.node.knobs.on_sample()
    assert world.counters.inbox_audio_dropped == 3 * 5
    assert world.node.knobs.inboxes.frames == 4


async def test_audio_that_the_node_gave_up_under_pressure_widens_no_inbox() -> None:
    world = World(inbox={"audio_frames": 4})
    knobs = world.node.knobs
    world.node.governor.force(1.0)
    world.counters.inbox_audio_dropped += 100
    world.node.governor.force(0.0)  # before the next sample
    for _ in range(2):
        knobs.on_sample()
    assert knobs.inboxes.frames == 4


async def test_under_pressure_they_are_told_less_often() -> None:
    world = World()
    world.node.governor.force(0.9)
    pass_minutes(world)
    world.node.departures.batch.size = 5
    pass_minutes(world, SLOWLY - 0.5)
    assert await told(world) == []
    pass_minutes(world)
    assert len(await told(world)) == 1


async def test_every_number_is_within_its_bounds_and_can_be_read() -> None:
    knobs = Knobs(World().node).all
    assert {knob.what: (knob.bottom, knob.top) for knob in knobs} == {
        "newcomers a turn": (LEAST, MOST),
        "departures a turn": (LEAST, MOST),
        "samples apart": (1, MOST_APART),
        "audio frames in an inbox": (64, WIDEST * 64),
    }
    assert all(knob.bottom <= knob.read() <= knob.top for knob in knobs)
