"""PURE: who waits to be judged, in which order they are let in, and for whom it takes too long."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Who = TypeVar("Who")

PACE_S: Final = 1.0
"""How fast they are let in is counted over so long; before, nobody is sent away for it."""


class Rank(IntEnum):
    """Who comes first; said by the request itself, before anything of it is proven."""

    TALKING = 0  # it was in a conversation here, which has broken off
    RESUMING = 1  # it was here within the resume window
    KNOWN = 2  # it was here before, or has enrolled
    NEW = 3


class Room(Generic[Who]):
    """A queue for each rank, no longer than can be let in within `wait_s` at the pace of late.

    So whoever would wait in vain is told at once, the newest of the last rank first, and who stays
    is let in before it gives up. A `few` wait in any case: they are let in together, and in a crowd
    that is served as fast as it comes they are always there. Every operation is O(1), or O(those
    that it returns).
    """

    __slots__ = ("_counted_from", "_few", "_fit", "_let_in", "_queues", "_since", "_wait_s")

    def __init__(self, wait_s: float, few: int) -> None:
        self._wait_s = wait_s
        self._few = few
        self._since = 0.0
        self._counted_from = 0.0
        self._let_in = 0
        self._fit = inf
        self._queues: tuple[OrderedDict[Who, float], ...] = tuple(OrderedDict() for _ in Rank)

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def standing_s(self, now: float) -> float:
        """Return for how long there have been more than a few, without a break."""
        return now - self._since if len(self) > self._few else 0.0

    def enter(self, who: Who, rank: Rank, now: float) -> None:
        """Wait from now on."""
        if len(self) <= self._few:
            self._since = self._counted_from = now
            self._let_in = 0
            self._fit = inf
        self._queues[rank][who] = now

    def leave(self, who: Who) -> None:
        """Wait no more; idempotent."""
        for queue in self._queues:
            queue.pop(who, None)

    def next(self) -> Who | None:
        """Return who is let in, None when nobody waits."""
        for queue in self._queues:
            if queue:
                self._let_in += 1
                return queue.popitem(last=False)[0]
        return None

    def in_vain(self, now: float) -> Iterator[Who]:
        """Yield, and forget, who has waited for `wait_s`, and who would have to."""
        for queue in self._queues:
            while queue and now - queue[next(iter(queue))] >= self._wait_s:
                yield queue.popitem(last=False)[0]
        counted_s = now - self._counted_from
        if counted_s >= PACE_S:
            self._fit = max(self._few, self._wait_s * self._let_in / counted_s)
            self._counted_from, self._let_in = now, 0
        for queue in reversed(self._queues):
            while queue and len(self) > self._fit:
                yield queue.popitem()[0]
