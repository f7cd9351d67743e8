"""A hashed timing wheel: one for all connections of a node.

Varghese and Lauck 1987, their scheme 6: a ring of 512 slots, each for every tick of the same
remainder. An entry for a later turn of the ring (51 s at 0.1 s) stays in its slot when that is
opened, so that none is ever moved to another, and no tick has more to do than its own slot; what
that has is looked at a part at a time. Nothing is searched for: an entry whose item has moved on is
dropped when its turn comes, so that arming and cancelling are a store and an append.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

TICK_S: Final = 0.1

_SLOTS: Final = 512
_MASK: Final = _SLOTS - 1

# A due time that lies on a tick must not slip to the next one by a rounding of the last bit.
_ROUNDING: Final = 1e-6

LOOKED_AT: Final = 32
"""For each item that `advance` may return, so many entries are looked at that bring none."""

# Stale entries keep their items alive: more of them than armed ones and this many, and we sweep.
STALE_SLACK: Final = 64
# The entries of a fleet take some 10 ms: with more than this many, a few each time an item moves.
SWEPT_AT_ONCE: Final = 1_024
SWEPT_AT_A_TIME: Final = 64


class Timed(Protocol):
    """What a wheel can hold: -1 when not armed, else the tick it is armed for."""

    wheel_tick: int


T = TypeVar("T", bound=Timed)


class TimingWheel(Generic[T]):
    """Holds items until they are due; `now` is in seconds and never runs backwards."""

    __slots__ = (
        "_armed",
        "_entries",
        "_numbers",
        "_open",
        "_slots",
        "_spare",
        "_start",
        "_sweep",
        "_tick",
        "_ticks_per_s",
        "is_behind",
    )

    def __init__(self, now: float, tick_s: float = TICK_S) -> None:
        self._start = now
        self._ticks_per_s = 1.0 / tick_s
        self._tick = 0
        self._armed = 0
        self._entries = 0
        self._open: Iterator[T] = iter(())
        # One integer for all who are armed for a tick: an own one would take 32 bytes of each.
        self._numbers = [0] * _SLOTS
        self._spare: list[T] = []  # what `_open` runs over, then room for another slot
        self._slots: list[list[T]] = [[] for _ in range(_SLOTS)]
        self._sweep: Iterator[None] | None = None  # under way
        self.is_behind = False  # after an `advance` that came to one of its limits

    @property
    def armed(self) -> int:
        """How many items wait, those included that are due but over an earlier call's limit."""
        return self._armed

    @property
    def stale(self) -> int:
        """How many entries wait for nothing any more, and still hold their item in memory."""
        return max(0, self._entries - self._armed)

    def arm(self, item: T, due: float) -> None:
        """Have `item` returned by the first `advance` at or after `due` (finite seconds).

        Replaces an earlier arming. What is due already comes with the next tick.
        """
        tick = ceil((due - self._start) * self._ticks_per_s - _ROUNDING)
        if tick <= self._tick:
            tick = self._tick + 1
        before = item.wheel_tick
        if before == tick:
            return
        at = tick & _MASK
        numbers = self._numbers
        if numbers[at] == tick:
            tick = numbers[at]
        else:
            numbers[at] = tick
        item.wheel_tick = tick
        self._entries += 1
        self._slots[at].append(item)
        if before < 0:
            self._armed += 1
        elif self._entries - 2 * self._armed > STALE_SLACK:
            self._shrink()

    def arm_by(self, item: T, due: float) -> None:
        """As `arm`, unless `item` is armed for an earlier time already."""
        tick = ceil((due - self._start) * self._ticks_per_s - _ROUNDING)
        if not 0 <= item.wheel_tick <= tick:
            self.arm(item, due)

    def cancel(self, item: T) -> None:
        """Forget `item`; harmless when it is not armed."""
        if item.wheel_tick < 0:
            return
        item.wheel_tick = -1
        self._armed -= 1
        if self._entries - 2 * self._armed > STALE_SLACK:
            self._shrink()

    def advance(self, now: float, limit: int) -> list[T]:
        """Return what is due at `now`, disarmed, at most `limit` items; the rest comes next time.

        In the order of their ticks, and inside a tick always in the same order for the same calls.
        Fewer than `limit` while `is_behind` when the entries before the next one that is due were
        too many for a call.
        """
        target = int((now - self._start) * self._ticks_per_s + _ROUNDING)
        others = limit * LOOKED_AT
        due: list[T] = []
        self.is_behind = True
        while len(due) < limit and others > 0:
            tick = self._tick
            slot = self._slots[tick & _MASK]
            for item in self._open:
                number = item.wheel_tick
                if number == tick:
                    item.wheel_tick = -1
                    due.append(item)
                    if len(due) == limit:
                        break
                    continue
                if number > tick and not (number - tick) & _MASK:
                    slot.append(item)  # of a later turn of the ring
                    self._entries += 1
                others -= 1
                if not others:
                    break
            else:
                self._spare.clear()
                if tick >= target:
                    self.is_behind = False
                    break
                self._open_next(target)
        self._armed -= len(due)
        return due

    def _open_next(self, target: int) -> None:
        """Go to the next tick whose slot has entries, or to `target`."""
        if not self._entries:
            self._tick = target
            return
        slots = self._slots
        while self._tick < target:
            self._tick = tick = self._tick + 1
            slot = slots[tick & _MASK]
            if slot:
                # The two lists change places: new ones all the time would end up spread over the
                # whole heap, and each would keep a piece of it from being given back.
                slots[tick & _MASK] = self._spare
                self._spare = slot
                if self._numbers[tick & _MASK] == tick:
                    self._numbers[tick & _MASK] = 0  # nobody is armed for it any more
                self._entries -= len(slot)
                self._open = iter(slot)
                return

    def _shrink(self) -> None:
        """Drop stale entries: all of them when there are few, else a part with each call."""
        if self._entries <= SWEPT_AT_ONCE:
            self._sweep = None
            for _ in self._swept():
                pass
            return
        if self._sweep is None:
            self._sweep = self._swept()
        if next(self._sweep, True):
            self._sweep = None

    def _swept(self) -> Iterator[None]:
        """Go over every slot, part by part. The open one is left out: what is in it is due anyway.

        In place, and nobody is placed anew: it happens while a fleet leaves, where hundreds of new
        lists would be spread over the memory that it gives back.
        """
        for number in range(_SLOTS):
            at, tick = 0, -1
            kept: set[int] = set()  # by id: a sweep under way holds nobody
            while at < len(self._slots[number]):
                if tick != self._tick:  # the slot may have been opened, and begun anew
                    tick = self._tick
                    kept = set()
                at += self._sweep_part(number, at, kept)
                yield
            if not self._slots[number]:
                self._numbers[number] = 0  # else one of each would stay, spread as the lists were

    def _sweep_part(self, number: int, at: int, kept: set[int]) -> int:
        """Keep who is armed for a tick of this slot, once; return how many of these stay."""
        slot = self._slots[number]
        part = slot[at : at + SWEPT_AT_A_TIME]
        staying = dict.fromkeys(
            item for item in part if item.wheel_tick >= 0 and item.wheel_tick & _MASK == number
        )
        new = [item for item in staying if id(item) not in kept]
        slot[at : at + len(part)] = new
        kept.update(map(id, new))
        self._entries -= len(part) - len(new)
        return len(new)
