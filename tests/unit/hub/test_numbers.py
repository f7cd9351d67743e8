from __future__ import annotations

import asyncio

from keepline.errors import HubDownError
from keepline.hub.numbers import BLOCK, Numbers
from keepline.hub.operations import Operation


class File:
    """Gives blocks away when a test says so."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[object]] = []
        self.is_full = False

    def ask(self, _: Operation) -> asyncio.Future[object]:
        if self.is_full:
            raise HubDownError("no room")
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    async def give(self, before: int) -> None:
        self.asked.pop(0).set_result(before)
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


async def test_a_block_that_comes_after_the_file_was_asked_is_not_used() -> None:
    file = File()
    numbers = await begun(file)
    taken = [numbers.take() for _ in range(BLOCK)]
    assert taken[-1] == BLOCK
    assert numbers.take() == 0  # the file gives one, above the block that it was asked for before
    await file.give(BLOCK)
    assert numbers.take() == 0
    numbers.each_second()
    await file.give(2 * BLOCK + 1)
    assert numbers.take() == 2 * BLOCK + 2


async def test_who_shares_the_file_has_no_numbers_and_asks_for_none() -> None:
    file = File()
    numbers = await begun(file)
    numbers.share()
    assert numbers.take() == 0
    numbers.each_second()
    assert file.asked == []


async def test_a_store_without_room_is_asked_again_later() -> None:
    file = File()
    file.is_full = True
    numbers = Numbers(file.ask)
    await numbers.begin()
    assert numbers.take() == 0
    file.is_full = False
    numbers.each_second()
    await file.give(7)
    assert numbers.take() == 8
