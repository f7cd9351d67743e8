from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keepline.gateway.gateway import Gateway
from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import World
from tests.unit.gateway.test_admission import Entrance
from tests.unit.gateway.virtual_time import LoopClock, virtual

if TYPE_CHECKING:
    from collections.abc import Callable


async def stopped(world: World, meanwhile: Callable[[], None]) -> None:
    """Stop, with `meanwhile` done after the very first turn; time passes until all have left."""
    gateway = Gateway(world.node)
    gateway.keep_time()
    stopping = asyncio.ensure_future(gateway.stop())
    await asyncio.sleep(0)
    meanwhile()
    await stopping


async def test_a_gateway_that_never_listened_can_be_stopped_and_says_nothing_of_a_drain() -> None:
    world = World()
    await Gateway(world.node).stop()
    assert not world.logged("drain")
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_a_socket_accepted_in_the_very_turn_in_which_we_stop_is_answered() -> None:
    world = World(clock=LoopClock())
    entrance: list[Entrance] = []
    await stopped(world, lambda: entrance.append(Entrance(world)))
    transport = entrance[0].transport
    assert transport.written[0].startswith(b"HTTP/1.1 503 ")
    assert transport.aborted  # it did not take its answer
    assert world.node.wheel.armed == 0


@virtual
async def test_every_session_is_told_before_it_is_closed() -> None:
    world = World(clock=LoopClock())
    lives = [world.connect(f"device-{number}") for number in range(500)]
    await stopped(world, lambda: None)
    for life in lives:
        assert life.handler.names == ["opened", "draining", "closed"]
        assert life.transport.close_code == 1001
        assert life.transport.aborted
    assert world.counters.disconnects[CloseReason.SERVER_SHUTDOWN] == 500
    assert len(world.node.registry) == 0


@virtual
async def test_a_session_that_nothing_ends_keeps_no_gateway_for_ever() -> None:
    world = World(clock=LoopClock())
    life = world.connect("ghost")
    life.loses_tcp()
    world.node.registry.claim(life.session)  # a fault of ours: nobody will release it
    began_at = world.clock.now()
    async with asyncio.timeout(100):
        await stopped(world, lambda: None)
    settings = world.node.settings.drain
    assert world.clock.now() - began_at <= settings.longest_s + 2.0
    [line] = world.logged("left_behind")
    assert (line["level"], line["sessions"]) == ("error", 1)
