from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from keepline.errors import RefusedError
from keepline.gateway.connection import Connection
from keepline.gateway.deadlines import MOST_KEPT_WAITING_S, Deadlines
from keepline.gateway.door import Door
from keepline.gateway.flapping import flapping as flapping_module
from keepline.gateway.flapping.flapping import ITS_OWN_DOING, NO_CONVERSATION_S
from keepline.gateway.flapping.ladder import Step
from keepline.gateway.identity import Identity
from keepline.gateway.receiver import Receiver
from keepline.lifecycle.heartbeat import MUTE
from keepline.lifecycle.machine import Lifecycle
from keepline.lifecycle.states import Event
from keepline.monitor.alerts.incidents import Incident
from keepline.reasons import CloseReason
from keepline.wire.frames import Opcode
from keepline.wire.messages import Hello
from tests.unit.gateway.drain.leaving import Leaving
from tests.unit.gateway.fakes import FakeTransport, Life, World, device_request, settle
from tests.unit.gateway.virtual_time import pass_time, virtual

HOME = "192.0.2.7"
QUICK = {"device_delay": 2, "device_deny": 4, "device_ban": 6}


def comes(world: World, device_id: str = "device-1", address: str = HOME) -> Life:
    life = world.connect(device_id)
    life.connection.address = world.node.arrivals.addresses.enter(address, world.node.ticker.now)
    world.node.arrivals.addresses.upgraded(address)
    return life


def greeted(world: World, address: str) -> Connection:
    connection = world.greeted(Receiver())
    connection.address = address
    return connection


def lives(world: World, times: int, device_id: str = "device-1", address: str = HOME) -> None:
    """Come and go that often, at once."""
    for _ in range(times):
        comes(world, device_id, address).loses_tcp()


async def cleaned_up(world: World) -> None:
    """Let those be cleaned up that one turn of the loop had no room for."""
    while world.node.departures:
        await settle()


def waits(world: World, device_id: str = "device-1", address: str = HOME) -> float:
    headers = {"device-id": device_id}
    return world.node.arrivals.flapping._judge(device_request(headers=headers, address=address))


def refusal(world: World, device_id: str = "device-1", address: str = HOME) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        waits(world, device_id, address)
    return caught.value


async def events(world: World) -> list[dict[str, Any]]:
    found = await world.hub.events(0, limit=1_000)
    return [
        {"event": each.kind, "for": each.device_id, **json.loads(each.data)}
        for each in found
        if each.kind not in {"online", "offline"}
    ]


async def test_a_device_is_first_held_then_refused_then_kept_out() -> None:
    world = World(flapping=QUICK)
    lives(world, 2)
    assert not world.node.arrivals.flapping
    lives(world, 1)
    assert world.node.arrivals.flapping
    waited = [waits(world) / (8 / 2) for _ in range(500)]  # half the way to being refused
    assert 0.75 <= min(waited) < 0.76
    assert 0.99 < max(waited) < 1.0
    lives(world, 2)
    error = refusal(world)
    assert error.reason is CloseReason.FLAPPING
    assert error.retry_after_s == 10  # it has come twice more than it may, by now
    refusal(world)
    assert refusal(world).retry_after_s == 300
    delayed, denied, banned = await events(world)
    steps = [event["step"] for event in (delayed, denied, banned)]
    assert steps == ["delayed", "denied", "banned"]
    assert banned["for_s"] == 300.0
    assert world.counters.holds["device", "banned"] == 1


async def test_a_ban_is_told_and_over_by_itself() -> None:
    world = World(flapping=QUICK)
    lives(world, 7)
    [held] = world.node.arrivals.flapping.held()
    assert (held.kind, held.device_id, held.address) == ("device", "device-1", HOME)
    assert held.step is Step.BANNED
    assert held.until is not None
    assert held.times == 7
    world.pass_time(299)
    world.node.arrivals.each_second(world.node.ticker.now)
    assert world.node.arrivals.flapping
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert (problem.about, problem.value) == (Incident.BANS, 1)
    world.pass_time(1.1)
    world.node.arrivals.each_second(world.node.ticker.now)
    assert not world.node.arrivals.flapping
    assert world.node.incidents.problems(world.node.ticker.now) == []
    assert waits(world) == 0.0
    assert [event["event"] for event in await events(world)][-1] == "flapping_over"
    [line] = world.logged("flapping_over")
    assert (line["device_id"], line["for_s"]) == ("device-1", 0.0)


async def test_a_flapping_device_keeps_no_neighbour_out() -> None:
    world = World()
    lives(world, 41, "broken")
    for _ in range(10_000):  # it hammers on
        refusal(world, "broken")
    assert waits(world, "neighbour") == 0.0
    assert world.node.arrivals.flapping._addresses.held == {}


async def test_who_knows_the_id_of_a_device_cannot_lock_it_out_from_elsewhere() -> None:
    world = World(flapping=QUICK)
    lives(world, 10, "victim", "198.51.100.1")
    refusal(world, "victim", "198.51.100.1")
    assert waits(world, "victim", HOME) == 0.0


async def test_capitals_make_no_other_device() -> None:
    world = World(flapping=QUICK)
    lives(world, 5, "AB:CD")
    refusal(world, "ab:cd")


@pytest.mark.parametrize(("life_s", "counts"), [(59.8, True), (60.1, False)])
async def test_only_a_short_life_counts(life_s: float, *, counts: bool) -> None:
    world = World(flapping=QUICK | {"device_calm_s": 6.0})
    for _ in range(7):
        life = comes(world)
        world.pass_time(life_s)
        life.loses_tcp()
    kept = len(world.node.arrivals.flapping._devices)
    assert kept == counts


async def test_what_we_or_an_operator_did_is_not_held_against_a_device() -> None:
    world = World(flapping=QUICK)
    for reason in (
        CloseReason.KICKED,
        CloseReason.SERVER_SHUTDOWN,
        CloseReason.HANDLER_FAILED,
        CloseReason.UPSTREAM_LOST,
        CloseReason.INTERNAL_ERROR,
        CloseReason.HANDLER_CLOSED,
        CloseReason.TOKEN_EXPIRED,
    ):
        assert reason not in ITS_OWN_DOING
        life = comes(world)
        world.pass_time(NO_CONVERSATION_S + 0.1)
        life.connection.close(reason)
        life.loses_tcp()
    assert len(world.node.arrivals.flapping._devices) == 0


async def test_who_comes_back_at_once_to_be_closed_at_once_is_held_and_its_address_is_not() -> None:
    world = World(flapping=QUICK | {"address_delay": 1, "address_deny": 2, "address_ban": 3})
    for reason in (
        CloseReason.HANDLER_CLOSED,
        CloseReason.HANDLER_FAILED,
        CloseReason.UPSTREAM_REFUSED,
    ):
        life = comes(world)
        life.connection.close(reason)
        life.loses_tcp()
    [held] = world.node.arrivals.flapping.held()
    assert (held.kind, held.device_id, held.step) == ("device", "device-1", Step.DELAYED)


@pytest.mark.parametrize("reason", [CloseReason.KICKED, CloseReason.SERVER_SHUTDOWN])
async def test_what_an_operator_ends_is_not_held_against_a_device_however_soon(
    reason: CloseReason,
) -> None:
    world = World(flapping=QUICK)
    for _ in range(10):
        life = comes(world)
        life.connection.close(reason)
        life.loses_tcp()
    assert len(world.node.arrivals.flapping._devices) == 0


async def test_what_a_device_brings_on_itself_counts() -> None:
    for reason in (
        CloseReason.DEVICE_CLOSED,
        CloseReason.DEVICE_RESET,
        CloseReason.NETWORK_TIMEOUT,
        CloseReason.HELLO_INVALID,
        CloseReason.FLOODING,
        CloseReason.REPLACED,
    ):
        assert reason in ITS_OWN_DOING


async def test_an_address_whose_devices_all_come_and_go_is_held_as_a_whole() -> None:
    world = World(flapping={"address_delay": 50, "address_deny": 60, "address_ban": 80})
    for n in range(51):
        lives(world, 1, f"made-up-{n}")
    await cleaned_up(world)
    assert waits(world, "another") > 0
    for n in range(10):
        lives(world, 1, f"made-up-too-{n}")
    await cleaned_up(world)
    assert refusal(world, "another").reason is CloseReason.FLAPPING
    assert waits(world, "another", "192.0.2.8") == 0.0
    [held] = world.node.arrivals.flapping.held()
    assert (held.kind, held.device_id, held.address) == ("address", "", HOME)


async def test_where_many_live_their_short_lives_weigh_less() -> None:
    world = World(flapping={"address_delay": 8, "address_deny": 12, "address_ban": 20})
    for _ in range(1_000):
        world.node.arrivals.addresses.enter(HOME, 0.0)
        world.node.arrivals.addresses.upgraded(HOME)
    for n in range(38):
        lives(world, 1, f"device-{n}")
    await cleaned_up(world)
    assert not world.node.arrivals.flapping
    for n in range(6):
        lives(world, 1, f"another-{n}")
    await cleaned_up(world)
    assert world.node.arrivals.flapping


@pytest.mark.parametrize("address", ["127.0.0.1", "", "::1"])
async def test_this_machine_is_never_held_as_an_address(address: str) -> None:
    world = World(flapping={"address_delay": 1, "address_deny": 2, "address_ban": 3})
    for n in range(10):
        lives(world, 1, f"device-{n}", address)
    assert not world.node.arrivals.flapping


async def test_it_can_be_turned_off() -> None:
    world = World(flapping=QUICK | {"enabled": False})
    lives(world, 100)
    assert not world.node.arrivals.flapping


@pytest.mark.parametrize("who", ["device-1", "DEVICE-1"])
async def test_a_hold_can_be_lifted(who: str) -> None:
    world = World(flapping=QUICK)
    lives(world, 10)
    lives(world, 10, address="192.0.2.8")
    assert len(world.node.arrivals.flapping.lift(who)) == 2
    assert world.node.arrivals.flapping.lift(who) == []
    assert waits(world) == 0.0
    assert len(world.logged("hold_lifted")) == 2


async def test_a_crowd_of_made_up_devices_costs_a_bounded_memory() -> None:
    world = World()
    for n in range(20_000):
        world.node.arrivals.flapping._devices.heat(f"{HOME} device-{n}", 0.0)
    assert len(world.node.arrivals.flapping._devices) == 4_096
    world.pass_time(5.1)
    world.node.arrivals.each_second(world.node.ticker.now)
    assert len(world.node.arrivals.flapping._devices) == 0


def fight(world: World, takeovers: int, device_id: str = "twin") -> None:
    """Two with one id take it from each other that often."""
    for n in range(takeovers + 1):
        connection = greeted(world, f"192.0.2.{n % 2}")
        world.open(connection, Identity(device_id, f"client-{n % 2}"), Hello())


class Asks:
    """A door, and the deadline of its admission, as far as they are looked at."""

    def __init__(self, number: int) -> None:
        self.address = f"192.0.2.{number}"
        self.identity = Identity("twin", f"client-{number}")
        self.judging: asyncio.Task[None] | None = None
        self.lifecycle = Lifecycle(0.0)
        self.deadline = Deadlines(asyncio.get_running_loop(), 10.0).begin()


async def is_refused(world: World, asks: Asks) -> RefusedError | None:
    """Return the refusal of who wants a device that two have fought about, None for none."""
    flapping = world.node.arrivals.flapping
    try:
        await flapping.check_war(cast("Door", asks), asks.identity, asks.deadline)
    except RefusedError as error:
        return error
    return None


def answers_pings(world: World) -> None:
    """Have the device that is held answer whatever it is asked."""
    holder = world.node.registry.by_device("twin")
    assert holder is not None
    transport = cast("FakeTransport", holder.connection.transport)
    life = Life(holder.connection, holder)

    def answer() -> None:
        opcode, payload = transport.frames[-1]
        if opcode == Opcode.PING:
            world.node.loop.call_later(0.05, life.pongs, payload)

    transport.on_write = answer


@virtual
async def test_a_kick_war_is_told_and_who_does_not_hold_the_device_is_refused() -> None:
    world = Leaving()
    fight(world, 4)
    assert await is_refused(world, Asks(1)) is None
    fight(world, 1)
    [event] = await events(world)
    assert event["event"] == "kick_war"
    assert event["for"] == "twin"
    assert event["times"] == 4
    [line] = world.logged("kick_war")
    assert line["level"] == "warning"
    assert world.counters.holds["kick_war", "denied"] == 1
    answers_pings(world)
    for _ in range(3):
        refused = await is_refused(world, Asks(0))
        assert refused is not None
        assert refused.reason is CloseReason.KICK_WAR
        assert refused.retry_after_s == 120
    assert world.passed_s < 1.0
    assert await is_refused(world, Asks(1)) is None
    world.node.arrivals.each_second(world.node.ticker.now)
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert (problem.about, problem.value) == (Incident.KICK_WAR, 1)
    assert problem.detail.endswith("each other: twin")
    await pass_time(121)
    world.node.arrivals.each_second(world.node.ticker.now)
    assert world.node.incidents.problems(world.node.ticker.now) == []
    assert await is_refused(world, Asks(0)) is None
    assert [event["event"] for event in await events(world)] == ["kick_war", "kick_war_over"]


@pytest.mark.parametrize(("wars", "named"), [(3, "d-0, d-1, d-2"), (5, "d-0, d-1, d-2 and 2 more")])
async def test_an_alert_names_the_first_that_are_fought_about(wars: int, named: str) -> None:
    world = World()
    for n in range(wars):
        fight(world, 5, f"d-{n}")
    world.node.arrivals.each_second(world.node.ticker.now)
    [problem] = world.node.incidents.problems(world.node.ticker.now)
    assert problem.value == wars
    assert problem.detail.endswith(f"each other: {named}")


@virtual
async def test_no_more_are_held_at_once_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flapping_module, "MOST_WAITING", 2)
    world = Leaving(flapping=QUICK)
    flapping = world.node.arrivals.flapping
    holding = []
    for n in range(3):
        lives(world, 3, f"device-{n}")
        request = device_request(headers={"device-id": f"device-{n}"}, address=HOME)
        asks: Any = Asks(n)
        holding.append(asyncio.ensure_future(flapping.hold(asks, request, asks.deadline)))
    await settle()
    assert len(flapping._waiting) == 2
    with pytest.raises(RefusedError, match="waits already"):
        await holding[2]
    await asyncio.gather(*holding[:2])
    assert 3.0 <= world.passed_s <= 4.1
    assert not flapping._waiting


@virtual
async def test_a_holder_that_has_gone_without_a_word_keeps_its_device_from_nobody() -> None:
    world = Leaving()
    fight(world, 5)
    asks = Asks(0)
    assert await is_refused(world, asks) is None
    assert world.passed_s <= 1.3
    assert asks.deadline.waited_s == pytest.approx(1.2)
    assert not world.node.arrivals.flapping.kicks.wars
    assert [event["event"] for event in await events(world)] == ["kick_war", "kick_war_over"]


@virtual
async def test_a_holder_is_given_the_time_that_its_answers_take() -> None:
    world = Leaving()
    fight(world, 5)
    holder = world.node.registry.by_device("twin")
    assert holder is not None
    heartbeat = holder.connection.heartbeat
    payload = world.node.judge.ping_payload(heartbeat, 0.0)
    heartbeat.receive_pong(payload, 1.0)  # its round trip: 1 s, so it is given 3
    life = Life(holder.connection, holder)
    world.node.loop.call_later(2.5, life.pings)
    assert await is_refused(world, Asks(0)) is not None
    assert 2.4 < world.passed_s < 2.8


@virtual
async def test_a_holder_that_cannot_answer_keeps_its_device() -> None:
    world = Leaving()
    fight(world, 5)
    holder = world.node.registry.by_device("twin")
    assert holder is not None
    holder.connection.heartbeat.means = MUTE
    assert await is_refused(world, Asks(0)) is not None
    assert world.passed_s == 0


@virtual
async def test_who_has_waited_so_long_that_no_answer_would_come_in_time_is_refused_at_once() -> (
    None
):
    world = Leaving()
    fight(world, 5)
    asks = Asks(0)
    asks.deadline.waited_s = MOST_KEPT_WAITING_S - 1.1
    assert await is_refused(world, asks) is not None
    assert world.passed_s == 0
    assert world.node.arrivals.flapping.kicks.wars  # nobody was asked, so nothing is known
    asks.deadline.waited_s = MOST_KEPT_WAITING_S - 1.3
    assert await is_refused(world, asks) is None


@virtual
async def test_one_at_a_time_has_the_holder_asked() -> None:
    world = Leaving()
    fight(world, 5)
    first = asyncio.ensure_future(is_refused(world, Asks(0)))
    await settle()
    assert await is_refused(world, Asks(0)) is not None
    assert await first is None
    assert not world.node.arrivals.flapping._waiting


@virtual
async def test_who_leaves_while_the_holder_is_asked_leaves_nothing() -> None:
    world = Leaving()
    fight(world, 5)
    asks = Asks(0)
    waiting = asyncio.ensure_future(is_refused(world, asks))
    await settle()
    assert asks.judging is waiting
    asks.lifecycle.receive(Event.TRANSPORT_LOST, 0.0, CloseReason.DEVICE_CLOSED)
    asks.lifecycle.receive(Event.CLEANED, 0.0)
    waiting.cancel()
    with pytest.raises(ConnectionResetError):
        await waiting
    assert not world.node.arrivals.flapping._waiting


@virtual
async def test_a_holder_that_ends_while_it_is_asked_is_no_holder() -> None:
    world = Leaving()
    fight(world, 5)
    waiting = asyncio.ensure_future(is_refused(world, Asks(0)))
    await settle()
    holder = world.node.registry.by_device("twin")
    assert holder is not None
    Life(holder.connection, holder).loses_tcp()
    assert await waiting is None
    assert world.node.arrivals.flapping.kicks.wars  # it may be the one that fights


@virtual
async def test_a_holder_that_comes_back_while_it_is_asked_keeps_its_device() -> None:
    world = Leaving()
    fight(world, 5)
    waiting = asyncio.ensure_future(is_refused(world, Asks(0)))
    await settle()
    world.open(greeted(world, "192.0.2.1"), Identity("twin", "client-1"), Hello())
    assert await waiting is not None


async def test_a_device_that_is_switched_off_and_on_again_and_again_is_let_in() -> None:
    world = World()
    for _ in range(50):
        connection = greeted(world, HOME)
        world.open(connection, Identity("device-1", "client-1"), Hello())
        world.pass_time(6.0)  # it boots
    assert list(world.node.arrivals.flapping.held()) == []
    assert world.counters.takeovers == 49
