"""What stands still is not counted, what takes too long is."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.waiting import MOST_S, eventually, settled, within


async def test_what_takes_longer_than_it_may_is_cut() -> None:
    came = asyncio.Event()

    async def waits() -> None:
        async with within(0.05):
            await came.wait()

    with pytest.raises(TimeoutError):
        await waits()


async def test_time_in_which_the_machine_stood_still_does_not_count() -> None:
    async with within(0.3) as watch:
        asyncio.get_running_loop().call_soon(time.sleep, 0.6)
        await asyncio.sleep(0.01)
        assert watch.look() < 0.3


async def test_what_comes_late_because_it_was_waited_for_counts() -> None:
    async with within(10.0) as watch:
        for _ in range(100):
            await asyncio.sleep(0.002)
        assert watch.look() > 0.09


async def test_what_never_comes_true_fails() -> None:
    with pytest.raises(AssertionError, match=r"within 0\.01 s"):
        await eventually(lambda: False, within_s=0.01)


async def test_a_condition_is_looked_at_again_after_a_machine_that_stood_still() -> None:
    began = time.monotonic()
    asyncio.get_running_loop().call_soon(time.sleep, 6 * MOST_S)
    await eventually(lambda: time.monotonic() - began > 8 * MOST_S, within_s=5 * MOST_S)


async def test_what_still_changes_has_not_settled() -> None:
    values = [1, 2, 3, 4]
    await settled(lambda: values.pop(0) if len(values) > 1 else values[0], for_s=0.05)
    assert values == [4]
