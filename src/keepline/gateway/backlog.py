"""The bounded queue of both directions: control waits and is never dropped, audio goes stale."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class Put(Enum):
    """What became of an item."""

    KEPT = "kept"
    DROPPED_AUDIO = "dropped_audio"  # kept, at the price of the oldest audio item
    OVERFLOW = "overflow"  # not kept: control is never dropped, so the session has to end


class Backlog(Generic[T]):
    """A queue with a limit for each of its two classes; created when first needed."""

    __slots__ = ("_audio", "_audio_limit", "_control_limit", "_items")

    def __init__(self, *, audio_limit: int, control_limit: int) -> None:
        self._items: deque[tuple[bool, T]] = deque()
        self._audio = 0
        self._audio_limit = audio_limit
        self._control_limit = control_limit

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, *, audio: bool) -> Put:
        """Append `item`; at the limit drop the oldest audio, or refuse more control."""
        if not audio:
            if len(self._items) - self._audio >= self._control_limit:
                return Put.OVERFLOW
            self._items.append((False, item))
            return Put.KEPT
        dropped = self._audio >= self._audio_limit
        if dropped:
            self._drop_oldest_audio()
        self._items.append((True, item))
        self._audio += 1
        return Put.DROPPED_AUDIO if dropped else Put.KEPT

    def take(self) -> T | None:
        """Return the item that has waited longest, or None."""
        if not self._items:
            return None
        audio, item = self._items.popleft()
        if audio:
            self._audio -= 1
        return item

    def _drop_oldest_audio(self) -> None:
        for index, (audio, _) in enumerate(self._items):
            if audio:
                del self._items[index]
                self._audio -= 1
                return
