from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from keepline.simulation.violation import ViolationError
from keepline.simulation.world import ROUGH, World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    made = World(1, ROUGH)
    made.host.start()
    yield made
    made.close()


def leak(world: World) -> None:
    life = world.host.life
    assert life is not None
    never = life.loop.create_future()

    async def wait() -> None:
        await never

    life.loop.enter(lambda: asyncio.ensure_future(wait(), loop=life.loop))


def test_a_task_that_is_nobodys_is_found_while_a_process_begins(world: World) -> None:
    assert not world.host.is_up
    world.check()
    leak(world)
    with pytest.raises(ViolationError) as found:
        world.check()
    assert found.value.rule == "task"


def test_a_stop_has_tasks_of_its_own(world: World) -> None:
    world.timeline.run(world.timeline.now + 1, 1_000)
    assert world.host.is_up
    leak(world)
    with pytest.raises(ViolationError):
        world.check()
    world.host.stop()
    world.check()
