from __future__ import annotations

import asyncio

import pytest

from keepline.errors import RefusedError
from keepline.gateway.door import Door
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World, device_request


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
