from __future__ import annotations

import asyncio
from itertools import pairwise

from keepline.gateway.governor.batch import FIRST, TURN_S
from keepline.gateway.governor.crowd import BEHIND, Crowd, Step
from tests.unit.gateway.fakes import settle


class Cpu:
    """What the loop's thread has used, moved by hand."""

    def __init__(self) -> None:
        self.used_s = 0.0

    def __call__(self) -> float:
        return self.used_s


def crowd_of(cpu: Cpu | None = None, *, bounded: bool = True) -> Crowd:
    return Crowd(asyncio.get_running_loop(), cpu or Cpu(), bounded=bounded)


class Openings:
    """Some whose claims are answered at once, and the order in which their sessions are opened."""

    def __init__(self, crowd: Crowd, count: int) -> None:
        self.opened: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._crowd = crowd
        for _ in range(count):
            self.add()

    def add(self) -> None:
        self.tasks.append(asyncio.create_task(self._open(len(self.tasks))))

    async def _open(self, number: int) -> None:
        await self._crowd.opening()
        self.opened.append(number)


async def test_a_few_are_opened_at_once() -> None:
    openings = Openings(crowd_of(), 3)
    await asyncio.sleep(0)
    assert openings.opened == [0, 1, 2]


async def test_of_many_a_batch_is_opened_in_a_turn_and_all_in_order() -> None:
    openings = Openings(crowd_of(), 4 * FIRST)
    seen = [0]
    while len(openings.opened) < 4 * FIRST:
        await asyncio.sleep(0)
        seen.append(len(openings.opened))
    assert openings.opened == list(range(4 * FIRST))
    steps = [after - before for before, after in pairwise(seen)]
    assert FIRST <= max(steps) < FIRST + len(seen)  # by one more in each turn that was short


async def test_who_gave_up_takes_no_place_from_anybody() -> None:
    openings = Openings(crowd_of(), 3 * FIRST)
    await asyncio.sleep(0)
    for task in openings.tasks[FIRST : 3 * FIRST - 1]:
        task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert openings.opened == [*range(FIRST), 3 * FIRST - 1]


async def test_who_comes_when_one_that_waited_is_called_is_opened_behind_it() -> None:
    openings = Openings(crowd_of(), FIRST + 1)
    await asyncio.sleep(0)
    openings.add()  # it runs after the turn is given to the one that waits, and before that one
    await settle()
    assert openings.opened == list(range(FIRST + 2))


async def test_who_gives_up_when_it_is_called_holds_nobody_up() -> None:
    crowd = crowd_of()
    openings = Openings(crowd, FIRST + 1)

    def give_up() -> None:
        openings.tasks[FIRST].cancel()

    crowd.on_turn = give_up
    await settle()
    openings.add()
    await asyncio.sleep(0)
    assert openings.opened == [*range(FIRST), FIRST + 1]


async def test_each_step_is_counted_for_itself_and_anew_in_each_turn() -> None:
    crowd = crowd_of()
    crowd.use(Step.ACCEPT, FIRST)
    crowd.use(Step.JUDGE)
    assert [crowd.left(step) for step in Step] == [0, FIRST - 1, FIRST]
    await settle()
    assert crowd.left(Step.ACCEPT) == crowd.per_turn


async def test_after_a_turn_that_took_long_fewer_are_let_in() -> None:
    cpu = Cpu()
    crowd = crowd_of(cpu)
    crowd.use(Step.JUDGE, FIRST)
    cpu.used_s += 2 * TURN_S
    await settle()
    assert crowd.per_turn == FIRST / 2


async def test_what_is_not_bounded_takes_as_many_as_come() -> None:
    crowd = crowd_of(bounded=False)
    crowd.use(Step.ACCEPT, 1_000)
    crowd.claiming = 10 * BEHIND
    assert crowd.left(Step.ACCEPT) > 1_000
    assert not crowd.is_behind


async def test_the_door_goes_on_when_half_of_those_inside_have_come_in() -> None:
    crowd = crowd_of()
    went_on: list[int] = []
    crowd.claiming = BEHIND - 1
    assert not crowd.is_behind
    crowd.claiming = BEHIND
    assert crowd.is_behind
    crowd.hold_back(lambda: went_on.append(1))
    crowd.claiming = BEHIND // 2
    crowd.let_go_on()
    assert not went_on
    crowd.claiming -= 1
    crowd.let_go_on()
    crowd.let_go_on()
    assert went_on == [1]
