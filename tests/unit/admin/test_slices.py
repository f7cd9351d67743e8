from __future__ import annotations

import asyncio

import pytest

from keepline.admin.slices import SLICE, described


@pytest.mark.parametrize(("things", "least"), [(0, 0), (SLICE - 1, 0), (SLICE, 1), (4 * SLICE, 4)])
async def test_a_long_answer_is_made_with_turns_for_others_in_between(
    things: int, least: int
) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(others())
    told = await described(iter(range(things)), str)
    running.cancel()
    assert told == [str(number) for number in range(things)]
    assert turns >= least


async def test_what_changes_meanwhile_disturbs_nobody_who_describes_it() -> None:
    things = dict.fromkeys(range(2 * SLICE))
    asyncio.get_running_loop().call_soon(things.clear)
    assert len(await described(things, str)) == 2 * SLICE
