from __future__ import annotations

import pytest

from keepline.errors import RefusedError, SuspendedError
from keepline.gateway.identity import Identity
from keepline.gateway.isolation import suspensions
from keepline.gateway.isolation.suspension import PROBES, Standing
from keepline.gateway.receiver import Receiver
from keepline.gateway.session import Session
from keepline.gateway.throttle import address_key
from keepline.monitor.alerts.incidents import Incident
from keepline.monitor.findings import Severity
from keepline.reasons import CloseReason
from keepline.wire.messages import Hello
from tests.unit.gateway.fakes import Life, Recorder, Slow, World, settle

LIMITS = {"failing_devices": 2, "suspended_for_s": 30}
SAYS = '{"type":"custom","payload":1}'


class Other(Recorder):
    """A second kind."""


def standing(world: World) -> Standing:
    [(_, suspension)] = world.node.isolation.suspensions
    return suspension.standing(world.node.ticker.now)


def fail(
    world: World, *device_ids: str, kind: object = Recorder, address: str = "127.0.0.1"
) -> None:
    for device_id in device_ids:
        world.node.isolation.suspensions.failed(kind, device_id, address)


def is_open(world: World, address: str = "127.0.0.1") -> bool:
    """Whether a device that comes from there is let in."""
    try:
        world.node.isolation.suspensions.check_open(address)
    except RefusedError:
        return False
    return True


def connect_from(world: World, address: str) -> Life:
    """Return a session with a device that comes from there."""
    connection = world.greeted(Receiver())
    connection.address = address
    return Life(connection, world.open(connection, Identity("probe", "client-1"), Hello()))


def resumed(world: World) -> list[str]:
    """Return from where who comes is let in again, "" for everywhere."""
    return [line.get("address", "") for line in world.logged("handler_resumed")]


MADE_UP = [f"made-up-{number}" for number in range(100)]


async def test_nobody_is_refused_while_nothing_has_failed() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    assert is_open(world)


async def test_a_kind_that_fails_is_refused_at_the_door_with_when_to_come_again() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    fail(world, "one", "two")
    with pytest.raises(RefusedError) as refusal:
        world.node.isolation.suspensions.check_open("")
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
        world.node.isolation.suspensions.check_open("")


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


async def test_made_up_devices_of_one_address_suspend_a_class_for_that_address_alone() -> None:
    world = World()
    world.connect()
    fail(world, *MADE_UP[:9], address="203.0.113.7")
    assert is_open(world, "203.0.113.7")
    fail(world, *MADE_UP, address="203.0.113.7")
    assert not is_open(world, "203.0.113.7")
    assert is_open(world, "203.0.113.8")
    assert standing(world) is Standing.SERVING
    [line] = world.logged("handler_suspended")
    assert line["address"] == "203.0.113.7"
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert (problem.severity, problem.value) == (Severity.MEDIUM, 1)
    assert "who comes from 203.0.113.7: no session" in problem.detail
    name = problem.scope.removesuffix(" by address")
    assert world.node.isolation.suspensions.addresses() == {name: ["203.0.113.7"]}


async def test_all_of_a_network_of_the_sixth_version_is_one_address() -> None:
    world = World()
    for number, device_id in enumerate(MADE_UP):
        fail(world, device_id, address=f"2001:db8::{number:x}")
    assert not is_open(world, "2001:db8::ffff")
    assert is_open(world, "2001:db8:1::1")


async def test_a_class_that_fails_with_everybody_is_suspended_wherever_they_come_from() -> None:
    world = World()
    for number in range(10):
        assert is_open(world, "198.51.100.1")
        fail(world, f"device-{number}", address=f"203.0.113.{number}")
    assert standing(world) is Standing.SUSPENDED
    assert not is_open(world, "198.51.100.1")


@pytest.mark.parametrize("address", ["203.0.113.7", "127.0.0.1", ""])
async def test_behind_one_address_those_that_work_decide(address: str) -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(10)]
    for life in lives:
        life.connection.address = address
    world.pass_time(11.0)
    for life in lives:
        life.says(SAYS)
    world.pass_time(1.0)
    fail(world, *MADE_UP, address=address)
    assert is_open(world, address)  # as many work as have failed
    world.pass_time(10.1)
    fail(world, *MADE_UP[:10], address=address)
    assert not is_open(world, address)  # nobody has been heard since


async def test_who_is_still_at_work_or_has_left_does_not_work() -> None:
    world = World(Slow, isolation={"failing_devices": 1})
    at_work, left = world.connect("device-1"), world.connect("device-2")
    world.pass_time(1.0)
    at_work.says(SAYS)
    left.says(SAYS)
    left.session.close(CloseReason.HANDLER_CLOSED)
    await settle()
    fail(world, "one", kind=Slow)
    assert standing(world) is Standing.SUSPENDED
    at_work.handler.go.set()  # type: ignore[attr-defined]
    left.loses_tcp()
    await settle()


async def test_what_can_be_made_for_others_is_not_suspended_because_it_could_not_for_some() -> None:
    world = World(isolation=LIMITS)
    world.node.make_handler = lambda: Recorder()  # noqa: PLW0108 (no class)
    made = [world.connect(f"device-{number}") for number in range(2)]
    world.pass_time(5.0)
    fail(world, "one", "two", kind=world.node.make_handler)
    assert is_open(world)
    world.pass_time(10.1)
    fail(world, "one", "two", kind=world.node.make_handler)
    assert not is_open(world)
    assert all(life.connection.lifecycle.reason is None for life in made)


async def test_an_address_is_tried_again_like_a_class() -> None:
    world = World()
    world.connect()
    fail(world, *MADE_UP, address="203.0.113.7")
    world.pass_time(30.1)
    assert is_open(world, "203.0.113.7")
    probe = connect_from(world, "203.0.113.7")
    world.pass_time(1.0)
    probe.says(SAYS)
    world.node.each_second()
    [line] = world.logged("handler_resumed")
    assert line["address"] == "203.0.113.7"
    assert world.node.incidents.problems(world.node.ticker.now) == []
    world.pass_time(61.0)
    world.node.each_second()
    assert not world.node.isolation.suspensions._by_address


async def test_only_so_many_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspensions, "MOST_ADDRESSES", 10)
    world = World()
    for number in range(50):
        fail(world, "device", address=f"203.0.113.{number}")
    assert len(world.node.isolation.suspensions._by_address) == 10


async def test_an_address_from_which_nobody_comes_back_is_forgotten_with_its_incident() -> None:
    world = World()
    world.connect()
    fail(world, *MADE_UP, address="203.0.113.7")
    world.pass_time(89.0)
    world.node.each_second()
    assert world.node.incidents.problems(world.node.ticker.now)
    world.pass_time(2.0)
    world.node.each_second()
    assert resumed(world) == ["203.0.113.7"]
    assert world.node.incidents.problems(world.node.ticker.now) == []
    assert not world.node.isolation.suspensions._by_address


def untried(world: World) -> int:
    """Return how often it was told that nobody came to try a class."""
    return len(world.logged("handler_untried"))


async def test_a_class_that_nobody_comes_to_try_is_no_alert_any_more_and_tried_by_who_comes() -> (
    None
):
    world = World(isolation=LIMITS)
    world.connect()
    fail(world, "one", "two")
    world.pass_time(89.0)
    world.node.each_second()
    assert world.node.incidents.problems(world.node.ticker.now)
    for _ in range(3):
        world.pass_time(1.0)
        world.node.each_second()
    assert world.node.incidents.problems(world.node.ticker.now) == []
    assert untried(world) == 1
    assert (await world.hub.latest(kind="handler_untried"))[0].device_id == ""
    assert resumed(world) == []  # nobody has seen it work
    assert standing(world) is Standing.PROBING
    for number in range(PROBES):
        assert is_open(world)
        world.connect(f"probe-{number}")
    assert not is_open(world)


async def test_a_class_that_fails_when_it_is_tried_at_last_is_an_alert_again() -> None:
    world = World(isolation=LIMITS)
    world.connect()
    fail(world, "one", "two")
    world.pass_time(91.0)
    world.node.each_second()
    fail(world, "one")
    world.node.each_second()
    assert untried(world) == 1
    fail(world, "two")
    assert standing(world) is Standing.SUSPENDED
    assert world.node.incidents.problems(world.node.ticker.now)
    world.pass_time(91.0)
    world.node.each_second()
    assert untried(world) == 2
    assert world.node.incidents.problems(world.node.ticker.now) == []


async def test_of_the_addresses_one_that_is_served_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suspensions, "MOST_ADDRESSES", 3)
    world = World()
    fail(world, *MADE_UP, address="203.0.113.7")
    for number in range(10, 20):
        fail(world, "device", address=f"203.0.113.{number}")
    assert not is_open(world, "203.0.113.7")
    assert resumed(world) == []


async def test_where_all_addresses_are_refused_the_first_is_let_in_for_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suspensions, "MOST_ADDRESSES", 1)
    world = World()
    fail(world, *MADE_UP, address="203.0.113.7")
    fail(world, "device", address="203.0.113.8")
    assert is_open(world, "203.0.113.7")
    assert resumed(world) == ["203.0.113.7"]
    assert world.node.incidents.problems(world.node.ticker.now) == []


async def test_a_factory_that_makes_a_handler_again_is_proved_by_it() -> None:
    world = World(isolation=LIMITS)
    world.node.make_handler = lambda: Recorder()  # noqa: PLW0108 (no class)
    fail(world, "one", "two", kind=world.node.make_handler)
    fail(world, "one", "two", kind=world.node.make_handler, address="203.0.113.7")
    world.pass_time(29.0)
    world.connect("it came before")
    assert resumed(world) == []
    world.pass_time(1.1)
    connect_from(world, "203.0.113.7")
    assert resumed(world) == ["", "203.0.113.7"]
    assert standing(world) is Standing.SERVING
    assert world.node.incidents.problems(world.node.ticker.now) == []


async def test_who_makes_up_ids_has_the_sessions_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    lives = [world.connect(f"device-{number}") for number in range(10)]
    for life in lives:
        life.connection.address = "2001:db8::1"
        life.connection.last_activity = world.node.ticker.now + 0.1
    looked: list[object] = []
    parsed: list[str] = []
    works, key = suspensions._works, address_key

    def look(session: Session, kind: object, since: float) -> bool:
        looked.append(session)
        return works(session, kind, since)

    def parse(address: str) -> str:
        parsed.append(address)
        return key(address)

    monkeypatch.setattr(suspensions, "_works", look)
    monkeypatch.setattr(suspensions, "address_key", parse)
    fail(world, *MADE_UP, address="2001:db8::1")
    assert is_open(world, "2001:db8::1")
    assert len(looked) == len(lives)
    assert len(parsed) == len(MADE_UP) + 1  # where each failed, and who was let in


async def test_of_those_in_one_network_each_works_for_its_origin() -> None:
    world = World()
    for number in range(10):
        connection = world.connect(f"device-{number}").connection
        connection.address = f"2001:db8::{number:x}"
        connection.last_activity = world.node.ticker.now + 0.1
    fail(world, *MADE_UP, address="2001:db8::ffff")
    assert is_open(world, "2001:db8::ffff")
    fail(world, *MADE_UP, address="2001:db8:1::1")
    assert not is_open(world, "2001:db8:1::1")
