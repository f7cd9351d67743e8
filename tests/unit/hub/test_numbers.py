from __future__ import annotations

import asyncio

from keepline.errors import HubDownError
from keepline.hub.numbers import BLOCK, Numbers, Place, TakeNumbers
from keepline.hub.operations import Operation


class File:
    """Gives blocks away when a test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[TakeNumbers, asyncio.Future[object]]] = []
        self.is_full = False

    def ask(self, operation: Operation) -> asyncio.Future[object]:
        if self.is_full:
            raise HubDownError("no room")
        assert isinstance(operation, TakeNumbers)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.asked.append((operation, answer))
        return answer

    async def give(self, before: int) -> None:
        block, answer = self.asked.pop(0)
        block.before = before
        answer.set_result(None)
        await asyncio.sleep(0)

    async def fail(self) -> None:
        self.asked.pop(0)[1].set_exception(HubDownError("stopped"))
        await asyncio.sleep(0)


async def begun(file: File) -> Numbers:
    numbers = Numbers(file.ask)
    beginning = asyncio.ensure_future(numbers.begin())
    await asyncio.sleep(0)
    await file.give(0)
    await beginning
    return numbers


async def test_a_block_is_asked_for_once_when_half_of_the_one_before_is_gone() -> None:
    file = File()
    numbers = await begun(file)
    assert [numbers.take() for _ in range(BLOCK // 2)] == list(range(1, BLOCK // 2 + 1))
    assert file.asked == []
    numbers.take()
    numbers.take()
    assert len(file.asked) == 1
    await file.give(BLOCK)
    rest = [numbers.take() for _ in range(BLOCK)]
    assert rest == list(range(BLOCK // 2 + 3, BLOCK + BLOCK // 2 + 3))


async def test_a_block_behind_somebody_elses_begins_where_that_ends() -> None:
    file = File()
    numbers = await begun(file)
    for _ in range(BLOCK // 2 + 1):
        numbers.take()
    await file.give(10 * BLOCK)
    assert numbers.take() == 10 * BLOCK + 1


async def test_who_finds_none_has_a_place_in_the_block_under_way() -> None:
    file = File()
    numbers = await begun(file)
    for _ in range(BLOCK):
        numbers.take()
    places = [numbers.take() for _ in range(3)]
    assert len(file.asked) == 1
    await file.give(BLOCK)
    assert [place.number() for place in places if isinstance(place, Place)] == [
        BLOCK + 1,
        BLOCK + 2,
        BLOCK + 3,
    ]
    assert numbers.take() == BLOCK + 4


async def test_a_block_whose_numbers_are_all_given_out_before_it_is_here_is_followed_by_one() -> (
    None
):
    file = File()
    numbers = await begun(file)
    for _ in range(2 * BLOCK):
        numbers.take()
    assert numbers.take() == 0  # the file gives one above that block
    assert len(file.asked) == 1
    await file.give(BLOCK)
    place = numbers.take()
    await file.give(2 * BLOCK + 1)
    assert isinstance(place, Place)
    assert place.number() == 2 * BLOCK + 2
    assert numbers.take() == 2 * BLOCK + 3


async def test_a_place_in_a_block_that_never_came_is_no_number() -> None:
    file = File()
    numbers = await begun(file)
    for _ in range(BLOCK):
        numbers.take()
    place = numbers.take()
    await file.fail()
    assert isinstance(place, Place)
    assert place.number() == 0
    assert isinstance(numbers.take(), Place)  # in another one


async def test_who_shares_the_file_has_no_numbers_and_asks_for_none() -> None:
    file = File()
    numbers = await begun(file)
    numbers.share()
    assert numbers.take() == 0
    assert file.asked == []


async def test_a_block_that_is_under_way_when_the_file_is_shared_is_not_used() -> None:
    file = File()
    numbers = await begun(file)
    for _ in range(BLOCK):
        numbers.take()
    numbers.share()
    await file.give(BLOCK)
    assert numbers.take() == 0


async def test_a_store_without_room_is_asked_again_by_who_comes_when_it_has_some() -> None:
    file = File()
    file.is_full = True
    numbers = Numbers(file.ask)
    await numbers.begin()
    assert numbers.take() == 0
    file.is_full = False
    place = numbers.take()
    await file.give(7)
    assert isinstance(place, Place)
    assert place.number() == 8
    assert numbers.take() == 9
