"""PURE: who was here lately, in a table of a fixed size: for who comes first, never for trust."""

from __future__ import annotations

from array import array
from typing import Final

_TALKING: Final = 1
_UNTIL_SHIFT: Final = 1
_MARK_SHIFT: Final = 32
_MARK: Final = (1 << 31) - 1
_HALF_SECONDS: Final = (1 << 31) - 1


class Recent:
    """Eight bytes for each place, one place for each device: who needs a taken one takes it.

    So a device is forgotten sooner now and then, and one in two thousand million is taken for
    another. There is no table before somebody has left.
    """

    __slots__ = ("_mask", "_places", "_window_s")

    def __init__(self, most_devices: int, window_s: float) -> None:
        self._mask = (1 << (2 * most_devices - 1).bit_length()) - 1
        self._window_s = window_s
        self._places: array[int] | None = None

    def left(self, device_id: str, now: float, *, talking: bool) -> None:
        """A device has left; `talking` when its conversation has broken off."""
        if self._places is None:
            self._places = array("Q", bytes(8 * (self._mask + 1)))
        place, mark = self._find(device_id)
        until = int(2 * (now + self._window_s)) & _HALF_SECONDS
        self._places[place] = mark << _MARK_SHIFT | until << _UNTIL_SHIFT | talking

    def is_known(self, device_id: str) -> bool:
        """Whether it was here at all, as far as that is remembered."""
        return self._entry(device_id) is not None

    def is_within_window(self, device_id: str, now: float) -> bool:
        """Whether it left so short ago that it is resumed."""
        entry = self._entry(device_id)
        return entry is not None and 2 * now <= (entry >> _UNTIL_SHIFT & _HALF_SECONDS)

    def was_talking(self, device_id: str) -> bool:
        """Whether it was in a conversation when it left."""
        entry = self._entry(device_id)
        return entry is not None and bool(entry & _TALKING)

    def _entry(self, device_id: str) -> int | None:
        if self._places is None:
            return None
        place, mark = self._find(device_id)
        entry = self._places[place]
        return entry if entry and entry >> _MARK_SHIFT == mark else None

    def _find(self, device_id: str) -> tuple[int, int]:
        number = hash(device_id)
        return number & self._mask, number >> 32 & _MARK
