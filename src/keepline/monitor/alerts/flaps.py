"""What comes and goes too often to be told each time. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

MOST: Final = 1_000
"""Problems whose openings are remembered; beyond, who opened longest ago is forgotten."""


class Flaps:
    """When each problem opened lately: `opens` times within `within_s` is flapping."""

    __slots__ = ("_opened", "_opens", "_within_s")

    def __init__(self, opens: int, within_s: float) -> None:
        self._opens = opens
        self._within_s = within_s
        self._opened: OrderedDict[tuple[str, str, str], deque[float]] = OrderedDict()

    def opens(self, key: tuple[str, str, str], now: float) -> bool:
        """Note an opening; True when it is one too many."""
        times = self._opened.setdefault(key, deque(maxlen=self._opens))
        self._opened.move_to_end(key)
        if len(self._opened) > MOST:
            self._opened.popitem(last=False)
        times.append(now)
        return len(times) == self._opens and now - times[0] <= self._within_s

    def forget(self, key: tuple[str, str, str]) -> None:
        """It has been calm for long: it begins anew."""
        self._opened.pop(key, None)
