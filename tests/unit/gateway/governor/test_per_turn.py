from __future__ import annotations

import asyncio

from keepline.gateway.governor.per_turn import PerTurn
from tests.unit.gateway.fakes import settle


class Crowd:
    """Some who come at once, and the order in which they begin."""

    def __init__(self, count: int, most: int) -> None:
        self.per_turn = PerTurn(asyncio.get_running_loop(), most)
        self.begun: list[int] = []
        self.tasks = [asyncio.ensure_future(self._come(number)) for number in range(count)]

    async def _come(self, number: int) -> None:
        await self.per_turn.turn()
        self.begun.append(number)


async def test_a_few_begin_at_once() -> None:
    crowd = Crowd(3, most=4)
    await asyncio.sleep(0)
    assert crowd.begun == [0, 1, 2]
    await settle()
    await crowd.per_turn.turn()
    assert len(crowd.per_turn) == 0


async def test_of_many_so_many_begin_in_a_turn_and_all_in_order() -> None:
    crowd = Crowd(10, most=4)
    seen = []
    while len(crowd.begun) < 10:
        await asyncio.sleep(0)
        seen.append(len(crowd.begun))
    assert crowd.begun == list(range(10))
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) == 4


async def test_who_gave_up_takes_no_turn_from_anybody() -> None:
    crowd = Crowd(9, most=4)
    await asyncio.sleep(0)
    for task in crowd.tasks[4:8]:
        task.cancel()
    await settle()
    assert crowd.begun == [0, 1, 2, 3, 8]
    assert len(crowd.per_turn) == 0
