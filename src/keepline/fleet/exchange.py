"""PURE: numbered messages that come back from the echo handler: round trips, and what got lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from keepline.fleet.tally import Tally

LOST_AFTER_S: Final = 10.0
MOST_KEPT: Final = 64  # numbers of which one device remembers that they are under way, or lost


class Exchange:
    """One device's numbered messages, over all of its connections: numbers never repeat."""

    __slots__ = ("_cut_below", "_dropped_below", "_lost", "_next", "_under_way")

    def __init__(self) -> None:
        self._next = 0
        self._cut_below = 0  # of what is below it nothing is expected any more
        self._dropped_below = 0  # what is below it was said on a connection that is gone
        self._under_way: dict[int, float] = {}  # when each was said, in order
        self._lost: set[int] | None = None  # numbers that may still come

    def say(self, now: float, tally: Tally) -> dict[str, Any]:
        """Return the payload of the next message."""
        self.expire(now, tally)
        if len(self._under_way) >= MOST_KEPT:
            self._lose(next(iter(self._under_way)), tally)
        number, self._next = self._next, self._next + 1
        self._under_way[number] = now
        tally.counts.numbers_sent += 1
        return {"n": number}

    def hear(self, payload: object, now: float, tally: Tally) -> None:
        """Count a message that came; what is no number of ours is nothing."""
        number = payload.get("n") if isinstance(payload, dict) else None
        if not isinstance(number, int) or not 0 <= number < self._next:
            return
        counts = tally.counts
        said_at = self._under_way.get(number)
        if said_at is not None:
            # The messages of one connection keep their order, so what was said before is lost.
            for earlier in [each for each in self._under_way if each < number]:
                self._lose(earlier, tally)
            del self._under_way[number]
            counts.numbers_heard += 1
            tally.rtt.add(now - said_at)
        elif self._lost and number in self._lost:
            self._lost.discard(number)
            counts.numbers_lost -= 1
            counts.numbers_heard += 1
            if number < self._dropped_below:
                counts.numbers_brought_back += 1
            else:
                counts.numbers_reordered += 1
        elif number >= self._cut_below:
            counts.numbers_duplicated += 1

    def expire(self, now: float, tally: Tally) -> None:
        """Count as lost what was said too long ago."""
        while self._under_way:
            number, said_at = next(iter(self._under_way.items()))
            if now - said_at < LOST_AFTER_S:
                break
            self._lose(number, tally)

    def cut(self, tally: Tally) -> None:
        """Forget what is under way: the device itself broke the connection, or its manners."""
        tally.counts.numbers_cut += len(self._under_way)
        self._under_way.clear()
        self._cut_below = self._next

    def drop(self, tally: Tally) -> None:
        """Count what is under way as lost: the other side broke the connection."""
        for number in list(self._under_way):
            self._lose(number, tally)
        self._dropped_below = self._next

    def _lose(self, number: int, tally: Tally) -> None:
        del self._under_way[number]
        tally.counts.numbers_lost += 1
        if self._lost is None:
            self._lost = set()
        if len(self._lost) >= MOST_KEPT:
            self._lost.discard(min(self._lost))
        self._lost.add(number)
