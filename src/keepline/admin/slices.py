"""Long answers, made a slice at a time: others have their turn of the loop in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
V = TypeVar("V")

SLICE: Final = 250  # looked at or described in one turn


async def described(things: Iterable[T], describe: Callable[[T], V]) -> list[V]:
    """Return how all of them look. Who changes meanwhile is described as it is then."""
    found: list[V] = []
    for thing in list(things):
        found.append(describe(thing))
        if len(found) % SLICE == 0:
            await asyncio.sleep(0)
    return found
