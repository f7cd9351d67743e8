"""A hierarchical timing wheel: one for all connections of a node.

Varghese and Lauck 1987. Level 0 holds the ticks of the running rotation (512), level 1 the
rotations of the running era (64), level 2 the eras (64), and a last list whatever lies beyond
(58 hours at 0.1 s). Nothing is ever searched for: an entry whose item has moved on is dropped
when its turn comes, so that arming and cancelling are a store and an append.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

TICK_S: Final = 0.1

_NEAR_BITS: Final = 9
_MIDDLE_BITS: Final = _NEAR_BITS + 6
_FAR_BITS: Final = _MIDDLE_BITS + 6
_NEAR_MASK: Final = (1 << _NEAR_BITS) - 1
_MIDDLE_MASK: Final = (1 << _MIDDLE_BITS) - 1
_FAR_MASK: Final = (1 << _FAR_BITS) - 1
_SLOT_MASK: Final = 63
_NO_END: Final = 1 << 62

# A due time that lies on a tick must not slip to the next one by a rounding of the last bit.
_ROUNDING: Final = 1e-6

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
        "_beyond",
        "_entries",
        "_far",
        "_middle",
        "_near",
        "_numbers",
        "_open",
        "_spare",
        "_start",
        "_sweep",
        "_tick",
        "_ticks_per_s",
    )

    def __init__(self, now: float, tick_s: float = TICK_S) -> None:
        self._start = now
        self._ticks_per_s = 1.0 / tick_s
        self._tick = 0
        self._armed = 0
        self._entries = 0
        self._open: Iterator[T] = iter(())
        # One integer for all who are armed for a tick: an own one would take 32 bytes of each.
        self._numbers = [0] * (1 << _NEAR_BITS)
        self._spare: list[T] = []  # what `_open` runs over, then room for another slot
        self._near: list[list[T]] = [[] for _ in range(1 << _NEAR_BITS)]
        self._middle: list[list[T]] = [[] for _ in range(_SLOT_MASK + 1)]
        self._far: list[list[T]] = [[] for _ in range(_SLOT_MASK + 1)]
        self._beyond: list[T] = []
        self._sweep: Iterator[None] | None = None  # under way

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
        now = self._tick
        tick = ceil((due - self._start) * self._ticks_per_s - _ROUNDING)
        if tick <= now:
            tick = now + 1
        before = item.wheel_tick
        if before == tick:
            return
        numbers = self._numbers
        at = tick & _NEAR_MASK
        if numbers[at] == tick:
            tick = numbers[at]
        else:
            numbers[at] = tick
        item.wheel_tick = tick
        self._entries += 1
        if tick >> _NEAR_BITS == now >> _NEAR_BITS:
            self._near[tick & _NEAR_MASK].append(item)
        else:
            self._place_later(item, tick)
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
        """
        target = int((now - self._start) * self._ticks_per_s + _ROUNDING)
        due: list[T] = []
        while len(due) < limit:
            tick = self._tick
            for item in self._open:
                if item.wheel_tick == tick:
                    item.wheel_tick = -1
                    due.append(item)
                    if len(due) == limit:
                        break
            else:
                self._spare.clear()
                if tick >= target:
                    break
                self._open_next(target)
        self._armed -= len(due)
        return due

    def _open_next(self, target: int) -> None:
        """Go to the next tick that has entries, or to `target`."""
        if not self._entries:
            self._tick = target
            return
        near = self._near
        while self._tick < target:
            self._tick = tick = self._tick + 1
            if not tick & _NEAR_MASK:
                self._cascade(tick)
            slot = near[tick & _NEAR_MASK]
            if slot:
                # The two lists change places: new ones all the time would end up spread over the
                # whole heap, and each would keep a piece of it from being given back.
                near[tick & _NEAR_MASK] = self._spare
                self._spare = slot
                self._entries -= len(slot)
                self._open = iter(slot)
                return

    def _cascade(self, tick: int) -> None:
        """Spread what belongs to the rotation that begins with `tick` over the level below."""
        if not tick & _MIDDLE_MASK:
            if not tick & _FAR_MASK:
                self._spread(self._beyond, tick, _NO_END)
            era = self._far[tick >> _MIDDLE_BITS & _SLOT_MASK]
            self._spread(era, tick, tick + (1 << _MIDDLE_BITS))
        rotation = self._middle[tick >> _NEAR_BITS & _SLOT_MASK]
        self._spread(rotation, tick, tick + (1 << _NEAR_BITS))

    def _spread(self, slot: list[T], first: int, end: int) -> None:
        """Empty `slot`, which stands for the ticks from `first` to before `end`."""
        entries = slot.copy()
        slot.clear()
        self._entries -= len(entries)
        for item in entries:
            if first <= item.wheel_tick < end:
                self._entries += 1
                self._place(item, item.wheel_tick)

    def _place(self, item: T, tick: int) -> None:
        if tick >> _NEAR_BITS == self._tick >> _NEAR_BITS:
            self._near[tick & _NEAR_MASK].append(item)
        else:
            self._place_later(item, tick)

    def _place_later(self, item: T, tick: int) -> None:
        now = self._tick
        if tick >> _MIDDLE_BITS == now >> _MIDDLE_BITS:
            self._middle[tick >> _NEAR_BITS & _SLOT_MASK].append(item)
        elif tick >> _FAR_BITS == now >> _FAR_BITS:
            self._far[tick >> _MIDDLE_BITS & _SLOT_MASK].append(item)
        else:
            self._beyond.append(item)

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
        for bits, slots in (
            (0, self._near),
            (_NEAR_BITS, self._middle),
            (_MIDDLE_BITS, self._far),
            (_FAR_BITS, [self._beyond]),
        ):
            for number in range(len(slots)):
                at, tick = 0, -1
                kept: set[int] = set()  # by id: a sweep under way holds nobody
                while at < len(slots[number]):
                    if tick != self._tick:  # slots have changed places, and what they stand for
                        tick = self._tick
                        kept = set()
                    at += self._sweep_part(slots[number], at, self._span(bits, number), kept)
                    yield

    def _span(self, bits: int, number: int) -> range:
        """Return the ticks for which a slot of the level with so many bits stands now."""
        now = self._tick
        if bits == _FAR_BITS:
            return range((now | _FAR_MASK) + 1, _NO_END)
        around = {0: _NEAR_MASK, _NEAR_BITS: _MIDDLE_MASK, _MIDDLE_BITS: _FAR_MASK}[bits]
        first = (now & ~around) + (number << bits)
        return range(first, first + (1 << bits))

    def _sweep_part(self, slot: list[T], at: int, span: range, kept: set[int]) -> int:
        """Keep who is armed for a tick of `span`, once; return how many of these entries stay."""
        part = slot[at : at + SWEPT_AT_A_TIME]
        first, end = span.start, span.stop
        staying = dict.fromkeys(item for item in part if first <= item.wheel_tick < end)
        new = [item for item in staying if id(item) not in kept]
        slot[at : at + len(part)] = new
        kept.update(map(id, new))
        self._entries -= len(part) - len(new)
        return len(new)
