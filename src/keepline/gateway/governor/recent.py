"""PURE: who was here lately, in a table of a fixed size: for who comes first, never for trust."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_TALKING: Final = 1
_UNTIL_SHIFT: Final = 1
_MARK_SHIFT: Final = 32
_MARK: Final = (1 << 31) - 1
_HALF_SECONDS: Final = (1 << 31) - 1


class Recent:
    """Eight bytes for each place, one place for each device: who needs a taken one takes it.

    So a device is forgotten sooner now and then, and one in two thousand million is taken for
    another. There is no table before somebody has left, or is recalled.
    """

    __slots__ = ("_mask", "_places", "_window_s")

    def __init__(self, most_devices: int, window_s: float) -> None:
        self._mask = (1 << (2 * most_devices - 1).bit_length()) - 1
        self._window_s = window_s
        self._places: array[int] | None = None

    def __len__(self) -> int:
        """How many places there are."""
        return self._mask + 1

    def left(self, device_id: str, now: float, *, talking: bool) -> None:
        """A device has left; `talking` when its conversation has broken off."""
        places = self._table()
        place, mark = self._find(device_id)
        until = int(2 * (now + self._window_s)) & _HALF_SECONDS
        places[place] = mark << _MARK_SHIFT | until << _UNTIL_SHIFT | talking

    def recall(self, known: Iterable[tuple[str, float]], now: float) -> None:
        """These were here before this process, and are away for so many seconds.

        Of two that need one place the one has it that is away for less.
        """
        places, most_until = self._table(), 2 * (now + self._window_s)
        for device_id, away_s in known:
            number = hash(device_id)
            until = int(most_until - 2 * away_s) if 2 * away_s < most_until else 0
            place = number & self._mask
            if until >= places[place] >> _UNTIL_SHIFT & _HALF_SECONDS:
                mark = number >> 32 & _MARK
                places[place] = mark << _MARK_SHIFT | (until & _HALF_SECONDS) << _UNTIL_SHIFT

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

    def _table(self) -> array[int]:
        if self._places is None:
            self._places = array("Q", bytes(8 * (self._mask + 1)))
        return self._places

    def _entry(self, device_id: str) -> int | None:
        if self._places is None:
            return None
        place, mark = self._find(device_id)
        entry = self._places[place]
        return entry if entry and entry >> _MARK_SHIFT == mark else None

    def _find(self, device_id: str) -> tuple[int, int]:
        number = hash(device_id)
        return number & self._mask, number >> 32 & _MARK
