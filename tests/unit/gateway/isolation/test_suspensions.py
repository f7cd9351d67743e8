from __future__ import annotations

import pytest

from keepline.errors import RefusedError, SuspendedError
from keepline.gateway.isolation.suspension import Standing
from keepline.gateway.session import Session
from keepline.monitor.alerts.incidents import Incident
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import Recorder, World

LIMITS = {"failing_devices": 2, "suspended_for_s": 30}
SAYS = '{"type":"custom","payload":1}'


class Other(Recorder):
    """A second kind."""


def standing(world: World) -> Standing:
    [(_, suspension)] = world.node.isolation.suspensions
    return suspension.standing(world.node.ticker.now)


def fail(world: World, *device_ids: str, kind: object = Recorder) -> None:
    for device_id in device_ids:
        world.node.isolation.suspensions.failed(kind, device_id)


def is_open(world: World) -> bool:
    try:
        world.node.isolation.suspensions.check_open()
    except RefusedError:
        return False
    return True


async def test_nobody_is_refused_while_nothing_has_failed() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    assert is_open(world)


async def test_a_kind_that_fails_is_refused_at_the_door_with_when_to_come_again() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    fail(world, "one", "two")
    with pytest.raises(RefusedError) as refusal:
        world.node.isolation.suspensions.check_open()
    assert refusal.value.reason is CloseReason.HANDLER_UNAVAILABLE
    assert refusal.value.retry_after_s == 30
    [line] = world.logged("handler_suspended")
    assert line["handler"] == "tests.unit.gateway.fakes.Recorder"
    [event] = await world.hub.latest(kind="handler_suspended")
    assert event.device_id == ""


async def test_one_device_that_spells_its_id_in_two_ways_counts_once() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    fail(world, "aa:bb", "AA:BB", "Aa:bB")
    assert is_open(world)


async def test_of_two_kinds_the_one_that_works_goes_on() -> None:
    world = World(isolation=LIMITS)
    world.connect("one")
    world.node.make_handler = Other
    world.connect("two")
    fail(world, "one", "two")
    assert is_open(world)
    world.connect("three")
    world.node.make_handler = lambda: Recorder()  # noqa: PLW0108 (a class is refused at the door)
    with pytest.raises(SuspendedError):
        world.connect("four")


async def test_what_cannot_even_be_made_is_left_alone_as_well() -> None:
    world = World(isolation=LIMITS)
    fail(world, "one", "two", kind=world.node.make_handler)
    with pytest.raises(RefusedError):
        world.node.isolation.suspensions.check_open()


async def test_a_probe_that_takes_a_message_brings_it_back() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    fail(world, "one", "two")
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert (problem.about, problem.value) == (Incident.HANDLER_SUSPENDED, 2)
    assert problem.scope in problem.detail
    world.pass_time(30.1)
    assert is_open(world)
    probe = world.connect("probe")
    world.node.each_second()
    assert standing(world) is Standing.PROBING
    world.pass_time(1.0)
    probe.says(SAYS)
    world.node.each_second()
    assert standing(world) is Standing.SERVING
    assert world.logged("handler_resumed")
    assert world.node.incidents.problems(world.node.ticker.now) == []


async def test_a_probe_that_leaves_shows_nothing_and_makes_room() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    fail(world, "one", "two")
    world.pass_time(30.1)
    probe = world.connect("probe")
    probe.loses_tcp()
    world.node.each_second()
    [(_, suspension)] = world.node.isolation.suspensions
    assert suspension.probes() == ()
    assert standing(world) is Standing.PROBING


async def test_a_failure_of_a_session_counts_for_its_kind() -> None:
    def falls(session: Session) -> None:
        raise LookupError

    world = World(isolation=LIMITS)
    for device_id in ("one", "two"):
        world.node.fence.call(world.connect(device_id).session, falls)
    assert standing(world) is Standing.SUSPENDED
