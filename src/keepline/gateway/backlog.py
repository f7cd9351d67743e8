"""The bounded queue of both directions: control waits and is never dropped, audio goes stale."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class Put(Enum):
    """What became of an item."""

    KEPT = "kept"
    DROPPED_AUDIO = "dropped_audio"  # at the price of the oldest audio, if need be its own
    OVERFLOW = "overflow"  # not kept: control is never dropped, so the session has to end


class Backlog(Generic[T]):
    """A queue with a limit for each of its two classes and one on bytes; made when first needed."""

    __slots__ = (
        "__weakref__",
        "_audio",
        "_audio_limit",
        "_bytes",
        "_bytes_limit",
        "_control_limit",
        "_items",
    )

    def __init__(self, *, audio_limit: int, control_limit: int, bytes_limit: int) -> None:
        self._items: deque[tuple[bool, int, T]] = deque()
        self._audio = 0
        self._bytes = 0
        self._audio_limit = audio_limit
        self._control_limit = control_limit
        self._bytes_limit = bytes_limit

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size_bytes(self) -> int:
        """What waits, as its owners count it."""
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether it takes no more control."""
        return len(self._items) - self._audio >= self._control_limit

    def put(self, item: T, size_bytes: int, *, audio: bool) -> Put:
        """Append `item`; at a limit drop the oldest audio, or refuse more control."""
        if not audio and self.is_full:
            return Put.OVERFLOW
        dropped = False
        while self._audio and (
            (audio and self._audio >= self._audio_limit)
            or self._bytes + size_bytes > self._bytes_limit
        ):
            self._drop_oldest_audio()
            dropped = True
        if self._bytes + size_bytes > self._bytes_limit:
            return Put.DROPPED_AUDIO if audio else Put.OVERFLOW
        self._items.append((audio, size_bytes, item))
        self._audio += audio
        self._bytes += size_bytes
        return Put.DROPPED_AUDIO if dropped else Put.KEPT

    def put_past_limits(self, item: T) -> None:
        """Append what holds no bytes: once at a session's end, before that only while not full."""
        self._items.append((False, 0, item))

    def take(self) -> T | None:
        """Return the item that has waited longest, or None."""
        if not self._items:
            return None
        audio, size_bytes, item = self._items.popleft()
        self._audio -= audio
        self._bytes -= size_bytes
        return item

    def drop_audio(self) -> int:
        """Give up all audio; return how many frames there were."""
        dropped = self._audio
        self._items = deque(each for each in self._items if not each[0])
        self._audio = 0
        self._bytes = sum(size_bytes for _, size_bytes, _ in self._items)
        return dropped

    def control(self) -> list[T]:
        """Return what is no audio and still waits, in order."""
        return [item for audio, _, item in self._items if not audio]

    def _drop_oldest_audio(self) -> None:
        for index, (audio, size_bytes, _) in enumerate(self._items):
            if audio:
                del self._items[index]
                self._audio -= 1
                self._bytes -= size_bytes
                return
