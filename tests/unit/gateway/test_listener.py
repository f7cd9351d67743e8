from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from keepline.gateway import listener as listener_module
from keepline.gateway.governor.crowd import BEHIND
from keepline.gateway.listener import (
    BATCH,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    MOST_SEEN,
    SHORT_FOR_S,
    SPARE,
    Listener,
)
from keepline.gateway.share import LEAD, STEP_BACK_S, Share
from keepline.gateway.sockets import open_listener
from keepline.monitor.alerts.incidents import Incident
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World, settle
from tests.waiting import eventually


class Way:
    """A listener on a real socket, and who came in."""

    def __init__(self, world: World, *, may_fail: bool = False, share: Share | None = None) -> None:
        self.came: list[tuple[socket.socket, str]] = []
        self.socket = open_listener("127.0.0.1", 0, 512, None)
        self.failing: Failing | None = Failing(self.socket) if may_fail else None
        sockets: Any = [self.failing or self.socket]
        self.listener = Listener(world.node, sockets, lambda *who: self.came.append(who), share)
        self.peers: list[socket.socket] = []

    def knock(self, count: int = 1) -> None:
        for _ in range(count):
            self.peers.append(socket.create_connection(self.socket.getsockname()))

    def close(self) -> None:
        self.listener.close()
        for sock in [*self.peers, *(sock for sock, _ in self.came)]:
            sock.close()


class Failing:
    """A listening socket whose `accept` fails as it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.errors: list[int] = []
        self.always: int | None = None
        self.asked = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.asked += 1
        number = self.errors.pop(0) if self.errors else self.always
        if number is not None:
            raise OSError(number, "failed")
        return self._socket.accept()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ways() -> Iterator[list[Way]]:
    made: list[Way] = []
    yield made
    for way in made:
        way.close()


async def test_who_knocks_comes_in_with_its_address(ways: list[Way]) -> None:
    way = Way(World())
    ways.append(way)
    way.listener.start()
    way.knock(3)
    await settle()
    assert [address for _, address in way.came] == ["127.0.0.1"] * 3


@pytest.mark.parametrize("waiting", [BATCH - 1, BATCH, BATCH + 1])
async def test_no_more_than_a_batch_is_accepted_in_one_turn(ways: list[Way], waiting: int) -> None:
    way = Way(World())
    ways.append(way)
    way.knock(waiting)
    way.listener._accept(way.socket)
    assert len(way.came) == min(waiting, BATCH)
    await asyncio.sleep(0)
    way.listener._accept(way.socket)
    assert len(way.came) == waiting


async def test_while_many_are_on_the_way_in_who_comes_waits_in_the_kernel(
    ways: list[Way],
) -> None:
    world = World()
    way = Way(world)
    ways.append(way)
    way.listener.start()
    crowd = world.node.governor.crowd
    crowd.claiming = BEHIND
    way.knock(3)
    await settle()
    assert not way.came
    crowd.claiming = 0
    world.node.governor.look()
    await settle()
    assert len(way.came) == 3


async def test_a_drain_that_pauses_the_door_has_the_last_word(ways: list[Way]) -> None:
    world = World()
    way = Way(world)
    ways.append(way)
    way.listener.start()
    world.node.governor.crowd.claiming = BEHIND
    way.knock()
    await settle()
    way.listener.pause(True)
    world.node.governor.crowd.claiming = 0
    world.node.governor.look()
    await settle()
    assert not way.came
    way.listener.pause(False)
    await settle()
    assert len(way.came) == 1


async def test_of_a_flood_of_connects_who_has_hung_up_already_gets_no_door(
    ways: list[Way],
) -> None:
    world = World()
    way = Way(world)
    ways.append(way)
    way.knock(MOST_SEEN - 1 + 5)
    for peer in way.peers[: MOST_SEEN - 1]:
        peer.close()
    way.listener._accept(way.socket)
    assert len(way.came) == 2  # the first, who is not looked at, and one who is still there
    assert world.counters.connections_accepted == MOST_SEEN - 2
    way.listener._accept(way.socket)
    assert len(way.came) == 2 + 4


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM])
async def test_one_that_cannot_be_accepted_does_not_stop_the_next(
    ways: list[Way], number: int
) -> None:
    way = Way(World(), may_fail=True)
    ways.append(way)
    assert way.failing is not None
    way.failing.errors = [number]
    way.knock()
    way.listener._accept(way.failing)  # type: ignore[arg-type]
    assert len(way.came) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_without_descriptors_a_few_are_answered_by_means_of_the_spare_ones(
    ways: list[Way], number: int
) -> None:
    world = World()
    way = Way(world, may_fail=True)
    ways.append(way)
    way.listener.start()
    way.listener._pause_s = 1.0  # long enough to look at what is before its end
    assert way.failing is not None
    way.knock(SPARE + 2)
    way.failing.errors = [number]
    await settle()
    assert not way.came
    assert world.counters.disconnects[CloseReason.FULL] == SPARE
    for peer in way.peers[:SPARE]:
        assert peer.recv(1_000).startswith(b"HTTP/1.1 503 ")
        assert peer.recv(1_000) == b""
    assert len(way.listener._spare) == SPARE  # ready for the next time
    await eventually(lambda: len(way.came) == 2)  # who waited meanwhile
    assert len(world.logged("out_of_descriptors")) == 1
    now = world.node.ticker.now
    [problem] = world.node.incidents.problems(now)
    assert problem.about == Incident.OUT_OF_DESCRIPTORS
    assert world.node.incidents.problems(now + SHORT_FOR_S) == []


async def test_it_waits_longer_and_longer_and_no_longer_than_its_limit(ways: list[Way]) -> None:
    world = World()
    way = Way(world, may_fail=True)
    ways.append(way)
    assert way.failing is not None
    way.failing.always = errno.EMFILE
    pauses_s = []
    for _ in range(10):
        pauses_s.append(way.listener._pause_s)
        way.listener._accept(way.failing)  # type: ignore[arg-type]
        way.listener._pauses.pop(way.failing).cancel()  # type: ignore[call-overload]
    assert pauses_s[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses_s[-1] == LONGEST_PAUSE_S
    assert len(world.logged("out_of_descriptors")) == 1
    way.failing.always = None
    way.knock()
    way.listener._accept(way.failing)  # type: ignore[arg-type]
    assert len(way.came) == 1
    assert way.listener._pause_s == FIRST_PAUSE_S


async def test_while_it_waits_nothing_is_asked_of_the_kernel(ways: list[Way]) -> None:
    way = Way(World(), may_fail=True)
    ways.append(way)
    way.listener.start()
    assert way.failing is not None
    way.failing.always = errno.EMFILE
    way.knock()
    for _ in range(5):
        await settle()
    assert way.failing.asked == 2  # once, and once with a spare one


async def test_the_last_descriptors_are_not_for_devices(
    ways: list[Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    way = Way(world)
    ways.append(way)
    way.listener.start()
    monkeypatch.setattr(way.listener, "_first_reserved", os.dup(0) + 3)
    way.knock(6)
    await settle()
    assert len(way.came) < 6
    assert world.counters.disconnects[CloseReason.FULL] == 6 - len(way.came)
    assert len(world.logged("out_of_descriptors")) == 1


def test_a_small_limit_keeps_a_smaller_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {}
    for soft in (64, 1_024, resource.RLIM_INFINITY):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        limits[soft] = listener_module._first_reserved()
    assert limits[64] == 48
    assert limits[1_024] == 960
    assert limits[resource.RLIM_INFINITY] > 1_000_000


async def test_a_closed_listener_is_closed_for_good(ways: list[Way]) -> None:
    way = Way(World())
    ways.append(way)
    way.listener.start()
    address = way.socket.getsockname()
    way.listener.close()
    way.listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


class Neighbour:
    """Another node on the same sockets that has `fewest`, and what ours has told."""

    def __init__(self, fewest: int | None) -> None:
        self.fewest = fewest
        self.told: list[tuple[int, bool]] = []

    def tell(self, count: int, *, takes: bool) -> None:
        self.told.append((count, takes))

    def least(self) -> int | None:
        return self.fewest


async def test_who_has_no_more_than_others_accepts_at_once(ways: list[Way]) -> None:
    way = Way(World(), share=Neighbour(0))
    ways.append(way)
    way.knock(LEAD)
    way.listener.start()
    await eventually(lambda: len(way.came) == LEAD)


async def test_who_is_ahead_takes_one_at_a_time_after_the_others_had_their_turn(
    ways: list[Way],
) -> None:
    world, neighbour = World(), Neighbour(0)
    for number in range(LEAD + 1):
        world.connect(f"device-{number}")
    way = Way(world, share=neighbour)
    ways.append(way)
    at: list[float] = []

    def arrive(*who: Any) -> None:
        at.append(asyncio.get_running_loop().time())
        way.came.append(who)

    way.listener._arrive = arrive
    way.knock(3)
    way.listener.start()
    await eventually(lambda: len(way.came) == 3)
    assert all(late - early >= STEP_BACK_S / 2 for early, late in pairwise(at))


async def test_who_is_ahead_takes_nobody_once_a_drain_has_paused_the_door(ways: list[Way]) -> None:
    world = World()
    for number in range(LEAD + 1):
        world.connect(f"device-{number}")
    way = Way(world, share=Neighbour(0))
    ways.append(way)
    way.knock()
    way.listener.start()
    way.listener._accept(way.socket)
    assert way.listener._pauses
    way.listener.pause(True)
    await eventually(lambda: not way.listener._pauses)
    assert not way.came
    way.listener.pause(False)
    await eventually(lambda: len(way.came) == 1)


async def test_others_are_told_how_many_are_here_and_that_a_drain_takes_none(
    ways: list[Way],
) -> None:
    world, neighbour = World(), Neighbour(None)
    way = Way(world, share=neighbour)
    ways.append(way)
    world.connect("one")
    way.listener.tell()
    way.listener.pause(True)
    way.listener.pause(False)
    way.listener.close()
    assert neighbour.told == [(1, True), (1, False), (1, True), (1, False)]


async def test_a_full_node_says_that_it_takes_none(ways: list[Way]) -> None:
    world, neighbour = World(server={"max_connections": 1}), Neighbour(None)
    way = Way(world, share=neighbour)
    ways.append(way)
    world.connect("one")
    way.listener.tell()
    assert neighbour.told == [(1, False)]
