from __future__ import annotations

import asyncio

from keepline.gateway.isolation.growth import LEAST, LOOKS
from keepline.gateway.isolation.leaks import ROUND_S, wild_tasks
from keepline.monitor.alerts.incidents import Incident
from tests.unit.gateway.fakes import Life, Slow, World


def look(world: World) -> None:
    """A round: every session is looked at, and then it is over."""
    leaks = world.node.isolation.leaks
    for session in world.node.registry:
        session.connection.heartbeat.last_rx = world.node.ticker.now  # it lives
    leaks.each_second(world.node.ticker.now)
    world.pass_time(ROUND_S + 1)
    leaks.each_second(world.node.ticker.now)


def grow(life: Life, by: int) -> None:
    for _ in range(by):
        life.session.spawn(asyncio.sleep(3_600))


async def test_who_grows_at_every_look_is_named_once() -> None:
    world = World()
    leaking, steady = world.connect("leaking"), world.connect("steady")
    grow(steady, 20)
    for _ in range(LOOKS + 2):
        grow(leaking, LEAST // (LOOKS - 1))
        look(world)
    lines = world.logged("leak_suspected")
    assert [line["owner"] for line in lines] == ["leaking", "tests.unit.gateway.fakes.Recorder"]
    assert lines[0]["grows"] == "tasks"
    leaks = world.node.isolation.leaks
    first, second = leaks.sessions()
    assert (first.name, first.growing) == ("leaking", ("tasks",))
    assert (second.name, second.growing) == ("steady", ())
    [kind] = leaks.kinds()
    assert kind.load.tasks == first.load.tasks + 20
    events = await world.hub.latest(kind="leak_suspected")
    assert {event.device_id for event in events} == {"leaking", ""}
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert (problem.about, problem.scope) == (Incident.LEAK, "tests.unit.gateway.fakes.Recorder")
    assert problem.detail.startswith("tasks of tests.unit.gateway.fakes.Recorder grow")
    assert problem.detail.endswith("most with leaking")
    look(world)
    assert world.node.incidents.problems(world.node.ticker.now) == []


async def test_one_look_less_is_no_verdict() -> None:
    world = World()
    leaking = world.connect("leaking")
    for _ in range(LOOKS - 1):
        grow(leaking, LEAST)
        look(world)
    assert world.logged("leak_suspected") == []


async def test_who_has_stopped_growing_may_be_named_again() -> None:
    world = World()
    leaking = world.connect("leaking")
    for step in range(2 * LOOKS + 1):
        grow(leaking, 0 if step == LOOKS else 3)
        look(world)
    owners = [line["owner"] for line in world.logged("leak_suspected")]
    assert owners.count("leaking") == 2


async def test_an_idle_session_is_not_remembered() -> None:
    world = World()
    world.connect()
    look(world)
    assert world.node.isolation.leaks.sessions() == []
    assert world.node.isolation.leaks._sessions == {}


async def test_what_waits_in_queues_counts_in_bytes() -> None:
    world = World(Slow)
    life = world.connect()
    life.says('{"type":"custom","payload":1}')
    life.streams(bytes(100))
    life.connection.pause_writing()
    life.connection.send(bytes(50))
    look(world)
    [owner] = world.node.isolation.leaks.sessions()
    assert owner.load.queued_bytes == 150


async def test_who_has_gone_is_forgotten_in_the_next_round() -> None:
    world = World()
    life = world.connect()
    grow(life, 3)
    look(world)
    life.loses_tcp()
    await asyncio.sleep(0)
    look(world)
    assert world.node.isolation.leaks.sessions() == []


async def forgotten() -> None:
    await asyncio.sleep(3_600)


async def test_tasks_that_application_code_began_by_itself_are_counted_by_what_they_run() -> None:
    world = World()
    tasks = []
    for _ in range(LOOKS):
        tasks += [asyncio.ensure_future(forgotten()) for _ in range(3)]
        look(world)
    found = {name.split(" ")[0]: (count, grows) for name, count, grows in _wild(world)}
    assert found["forgotten"] == (3 * LOOKS, True)
    assert any("forgotten" in line["owner"] for line in world.logged("leak_suspected"))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _wild(world: World) -> list[tuple[str, int, bool]]:
    return world.node.isolation.leaks.wild()


async def test_our_own_tasks_are_not_among_them() -> None:
    world = World()
    life = world.connect()
    grow(life, 2)
    await asyncio.sleep(0)
    assert not [name for name in wild_tasks(asyncio.get_running_loop()) if "Fence" in name]
