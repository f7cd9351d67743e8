"""Waiting for what happens soon on real sockets, with a deadline instead of a guess."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY_S = 0.005


async def eventually(condition: Callable[[], object], *, within_s: float = 5.0) -> None:
    """Return as soon as `condition` holds. Fails the test when it does not within `within_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not condition():
        assert loop.time() < deadline, f"did not come true within {within_s} s"
        await asyncio.sleep(EVERY_S)
