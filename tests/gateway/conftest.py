"""Whatever a peer does, the loop is never told of something that nobody has caught."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio


@pytest_asyncio.fixture(autouse=True)
async def nothing_is_left_to_the_loop() -> AsyncIterator[None]:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    yield
    gc.collect(1)
    assert told == []
