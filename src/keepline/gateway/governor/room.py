"""PURE: who waits to be judged, in which order they are let in, and who has waited too long."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Who = TypeVar("Who")


class Rank(IntEnum):
    """Who comes first; said by the request itself, before anything of it is proven."""

    TALKING = 0  # it was in a conversation here, which has broken off
    RESUMING = 1  # it was here within the resume window
    KNOWN = 2  # it was here before, or has enrolled
    NEW = 3


class Room(Generic[Who]):
    """A queue for each rank.

    Patience is `wait_s`, and `pressed_s` once more than `few` have been waiting for all of it: then
    the newest comes first, for whoever waited long is about to give up (CoDel and adaptive LIFO,
    as Facebook's servers have them). A `few` are let in together, and in a crowd that is served as
    fast as it comes they are always there. Every operation is O(1), or O(those that it returns).
    """

    __slots__ = ("_few", "_pressed_s", "_queues", "_since", "_wait_s")

    def __init__(self, wait_s: float, pressed_s: float, few: int) -> None:
        self._wait_s = wait_s
        self._pressed_s = pressed_s
        self._few = few
        self._since = 0.0
        self._queues: tuple[OrderedDict[Who, float], ...] = tuple(OrderedDict() for _ in Rank)

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def standing_s(self, now: float) -> float:
        """Return for how long there have been more than a few, without a break."""
        return now - self._since if len(self) > self._few else 0.0

    def is_pressed(self, now: float) -> bool:
        """Whether more come than are let in, and not only for a moment."""
        return self.standing_s(now) >= self._wait_s

    def enter(self, who: Who, rank: Rank, now: float) -> None:
        """Wait from now on."""
        if len(self) <= self._few:
            self._since = now
        self._queues[rank][who] = now

    def leave(self, who: Who) -> None:
        """Wait no more; idempotent."""
        for queue in self._queues:
            queue.pop(who, None)

    def next(self, now: float) -> Who | None:
        """Return who is let in, None when nobody waits."""
        for queue in self._queues:
            if queue:
                return queue.popitem(last=self.is_pressed(now))[0]
        return None

    def too_late(self, now: float) -> Iterator[Who]:
        """Yield, and forget, who has waited for longer than there is patience."""
        patience_s = self._pressed_s if self.is_pressed(now) else self._wait_s
        for queue in self._queues:
            while queue:
                oldest = next(iter(queue))
                if now - queue[oldest] < patience_s:
                    break
                del queue[oldest]
                yield oldest
