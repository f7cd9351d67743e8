from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from keepline.errors import RefusedError
from keepline.gateway import arrivals as arrivals_module
from keepline.gateway.arrivals import GIVEN_UP_S, MOST_GIVEN_UP, SLICE_S
from keepline.gateway.auth import StaticToken
from keepline.gateway.door import Door
from keepline.gateway.identity import Identity
from keepline.gateway.isolation.strays import PATIENCE_S
from keepline.lifecycle.profile import HANDSHAKE_S
from keepline.reasons import CloseReason
from keepline.wire.handshake import Request
from tests.unit.gateway.fakes import TOKEN, World, device_request, settle
from tests.unit.gateway.test_admission import Entrance, head, no_way
from tests.unit.gateway.virtual_time import LoopClock, pass_time, passed_s, virtual


async def test_a_full_node_refuses_with_503_and_when_to_come_back() -> None:
    world = World(server={"port": 0, "max_connections": 1})
    with world.node.arrivals.place("another"):
        pass
    world.connect()
    with pytest.raises(RefusedError) as refused, world.node.arrivals.place("another"):
        pass
    assert refused.value.reason is CloseReason.FULL
    assert refused.value.retry_after_s
    assert not world.node.arrivals.arriving


async def test_who_holds_a_place_may_come_back_to_a_full_node() -> None:
    world = World(server={"port": 0, "max_connections": 1})
    life = world.connect()
    device_id = life.session.device_id
    with world.node.arrivals.place(device_id):
        pass
    with pytest.raises(RefusedError), world.node.arrivals.place(device_id + "x"):
        pass


async def test_who_comes_back_to_a_full_node_does_so_once_at_a_time() -> None:
    world = World(server={"port": 0, "max_connections": 1})
    device_id = world.connect().session.device_id
    with (
        world.node.arrivals.place(device_id),
        pytest.raises(RefusedError),
        world.node.arrivals.place(device_id),
    ):
        pass
    with (
        world.node.arrivals.place(device_id.upper()),
        pytest.raises(RefusedError),  # capitals make no other device
        world.node.arrivals.place(device_id),
    ):
        pass
    with world.node.arrivals.place(device_id):
        assert world.node.arrivals.arriving == {device_id: 1}


async def test_a_leaving_node_refuses_with_503_and_when_to_come_back() -> None:
    world = World()
    world.node.draining = True
    with pytest.raises(RefusedError) as refused:
        world.node.arrivals.check_open()
    assert refused.value.reason is CloseReason.DRAINING
    assert refused.value.retry_after_s


@pytest.mark.parametrize(
    ("address", "lines"), [("", 0), ("8.8.8.8", 0), ("10.0.0.7", 1), ("::1", 1)]
)
async def test_who_writes_a_proxys_header_from_afar_is_no_proxy(address: str, lines: int) -> None:
    world = World()
    headers = {"x-forwarded-for": "192.0.2.7"}
    world.node.arrivals.look_for_a_proxy(device_request(headers=headers, address=address))
    assert len(world.logged("proxy_not_believed")) == lines


async def test_who_was_only_just_accepted_has_begun_when_admissions_are_given_up() -> None:
    arrivals = World().node.arrivals
    heard = []

    async def admit(door: Door) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append(door)
            raise

    async def no_way(_door: Door) -> None:
        """Nobody opens it."""

    doors = [Door(arrivals._node, no_way) for _ in range(100)]
    for door in doors:
        arrivals.begin(door, admit)
    await arrivals.give_up(arrivals.admissions)
    assert sorted(map(id, heard)) == sorted(map(id, doors))
    assert not arrivals.admissions


class Stubborn(StaticToken):
    """Judges nobody, and does not mind being cancelled, until it may."""

    def __init__(self) -> None:
        super().__init__(TOKEN)
        self.may_end = asyncio.Event()

    async def judge(self, request: Request) -> Identity:
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                continue
        return await super().judge(request)


async def test_an_authenticator_that_does_not_mind_being_cancelled_keeps_no_node_from_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrivals_module, "GIVEN_UP_S", 0.02)
    authenticator = Stubborn()
    world = World(authenticator=authenticator)
    arrivals, strays = world.node.arrivals, world.node.isolation.strays
    entrance = Entrance(world)
    await entrance.gets(head())
    (admission,) = arrivals.admissions
    giving_up = asyncio.create_task(arrivals.give_up(arrivals.admissions))
    await asyncio.wait({giving_up}, timeout=5.0)
    assert giving_up.done()
    assert entrance.status == 503
    assert not arrivals.admissions
    world.pass_time(PATIENCE_S + 0.2)
    world.node.each_second()
    [(_, stray)] = strays.found()
    assert stray.handler.endswith("Stubborn")
    assert "test_arrivals.py:" in stray.place()
    authenticator.may_end.set()
    await asyncio.wait({admission})
    await settle()
    assert admission.exception() is None
    assert entrance.status == 503
    assert not strays.found()
    assert not world.node.registry


def a_second(world: World) -> None:
    """Have the node look at the clock, as it does each second."""
    world.node.ticker.now = world.clock.now()
    world.node.each_second()


class StubbornOnce(Stubborn):
    """As `Stubborn` with the first, and quick with all others."""

    async def judge(self, request: Request) -> Identity:
        if request.headers["device-id"] == "device-1":
            return await super().judge(request)
        return await StaticToken(TOKEN).judge(request)


@virtual
async def test_an_authenticator_that_never_ends_holds_no_room_beyond_its_deadline() -> None:
    authenticator = StubbornOnce()
    world = World(
        authenticator=authenticator,
        clock=LoopClock(),
        server={"port": 0, "max_admissions": 1},
        governor={"judged_least": 1, "judged_most": 1},
    )
    arrivals, strays = world.node.arrivals, world.node.isolation.strays
    stuck = Entrance(world)
    await stuck.gets(head())
    (admission,) = arrivals.admissions
    await pass_time(HANDSHAKE_S + GIVEN_UP_S - 0.1)
    a_second(world)
    assert stuck.status is None
    await pass_time(0.1)
    a_second(world)
    assert stuck.status == 503
    assert world.counters.disconnects[CloseReason.AUTH_UNAVAILABLE] == 1
    other = Entrance(world)
    await other.gets(head(Device_Id="device-2"))
    assert other.status == 101
    await pass_time(PATIENCE_S)
    a_second(world)
    [line] = world.logged("handler_does_not_end")
    assert line["handler"].endswith("StubbornOnce")
    assert "test_arrivals.py:" in line["at"]
    assert len(strays) == 1
    turnstile = world.node.governor.turnstile
    assert turnstile.judging == 0
    authenticator.may_end.set()
    await asyncio.wait({admission})
    await settle()
    assert admission.exception() is None
    assert stuck.status == 503
    assert turnstile.judging == 0
    assert not strays


@virtual
async def test_a_device_that_leaves_an_authenticator_that_never_ends_leaves_its_turn_too() -> None:
    authenticator = StubbornOnce()
    world = World(
        authenticator=authenticator,
        clock=LoopClock(),
        governor={"judged_least": 1, "judged_most": 1},
    )
    stuck = Entrance(world)
    await stuck.gets(head())
    (admission,) = world.node.arrivals.admissions
    await stuck.loses_tcp()
    await pass_time(HANDSHAKE_S + GIVEN_UP_S)
    a_second(world)
    other = Entrance(world)
    await other.gets(head(Device_Id="device-2"))
    assert other.status == 101
    await pass_time(PATIENCE_S)
    a_second(world)
    [line] = world.logged("handler_does_not_end")
    assert line["handler"].endswith("StubbornOnce")
    authenticator.may_end.set()
    await asyncio.wait({admission})
    assert world.node.governor.turnstile.judging == 0


@virtual
async def test_who_is_given_up_for_a_drain_has_its_turn_no_more_when_that_is_called_off() -> None:
    authenticator = StubbornOnce()
    world = World(
        authenticator=authenticator,
        clock=LoopClock(),
        governor={"judged_least": 1, "judged_most": 1},
    )
    arrivals = world.node.arrivals
    stuck = Entrance(world)
    await stuck.gets(head())
    (admission,) = arrivals.admissions
    await arrivals.give_up(arrivals.admissions)
    other = Entrance(world)
    await other.gets(head(Device_Id="device-2"))
    assert other.status == 101
    authenticator.may_end.set()
    await asyncio.wait({admission})
    assert world.node.governor.turnstile.judging == 0


@virtual
async def test_an_authenticator_that_answers_because_it_was_cancelled_answers_too_late() -> None:
    class Trusting(StaticToken):
        async def judge(self, request: Request) -> Identity:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return await super().judge(request)

    world = World(authenticator=Trusting(TOKEN), clock=LoopClock())
    entrance = Entrance(world)
    await entrance.gets(head())
    await pass_time(HANDSHAKE_S)
    await settle()
    assert entrance.status == 503
    assert not world.node.arrivals.admissions
    a_second(world)
    assert not world.logged("handler_does_not_end")


@virtual
async def test_one_that_does_not_end_makes_nobody_else_late() -> None:
    world = World(clock=LoopClock())
    arrivals, strays = world.node.arrivals, world.node.isolation.strays
    ended: list[Door] = []
    answered_for: list[Door] = []
    may_end = asyncio.Event()

    async def deaf(_door: Door) -> None:
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    async def nested(door: Door) -> None:
        try:
            async with asyncio.timeout(30):
                await asyncio.gather(asyncio.Event().wait())
        finally:  # some turns of the loop after it was cancelled
            ended.append(door)

    class Noted(Door):
        def give_up(self, *_: object) -> None:
            answered_for.append(self)

    doors = [Noted(world.node, no_way) for _ in range(3 * MOST_GIVEN_UP)]
    for door in doors:
        arrivals.begin(door, nested if door is not doors[0] else deaf)
    await arrivals.give_up(arrivals.admissions)
    assert passed_s() == pytest.approx(SLICE_S + GIVEN_UP_S)
    assert answered_for == [doors[0]]
    assert len(ended) == len(doors) - 1
    await pass_time(PATIENCE_S)
    world.node.ticker.now = world.clock.now()
    strays.each_second(world.node.ticker.now)
    [(_, stray)] = strays.found()
    assert (stray.handler, stray.call.rpartition(".")[2]) == ("keepline", "deaf")  # not a judge
    may_end.set()
    await settle()
    assert not strays.found()
