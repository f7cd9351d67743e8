"""PURE: random numbers that a seed decides, small enough for one source in each device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio
_FLOAT: Final = 2.0**-53


class Randomness(Protocol):
    """What is used of a `random.Random`."""

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...
    def randint(self, a: int, b: int) -> int: ...
    def choice(self, seq: Sequence[T]) -> T: ...
    def randbytes(self, n: int) -> bytes: ...


class Chance:
    """One device's share of a fleet's seed: SplitMix64 (Steele, Lea and Flood 2014).

    A `random.Random` has 2.5 KiB of state, which is more than all the rest of an idle device.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int, stream: int) -> None:
        """Give each `stream` of a seed numbers of its own."""
        self._state = seed & _MASK
        self._state = self._next() ^ (stream * _STEP & _MASK)
        self._state = self._next()

    def _next(self) -> int:
        self._state = word = (self._state + _STEP) & _MASK
        word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        word = ((word ^ word >> 27) * 0x94D049BB133111EB) & _MASK
        return word ^ word >> 31

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return (self._next() >> 11) * _FLOAT

    def uniform(self, a: float, b: float) -> float:
        """Return a number between both."""
        return a + (b - a) * self.random()

    def randint(self, a: int, b: int) -> int:
        """Return a whole number, both ends included."""
        return a + int((b - a + 1) * self.random())

    def choice(self, seq: Sequence[T]) -> T:
        """Return one of them."""
        return seq[int(len(seq) * self.random())]

    def randbytes(self, n: int) -> bytes:
        """Return `n` bytes."""
        if n <= 8:  # noqa: PLR2004 (what one word has)
            return (self._next() >> (64 - 8 * n)).to_bytes(n)
        return b"".join(self._next().to_bytes(8) for _ in range(-(-n // 8)))[:n]
