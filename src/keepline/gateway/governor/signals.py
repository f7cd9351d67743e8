"""PURE: what a node is pressed by, each as a number from 0 to 1; the largest is its pressure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.settings.governor import Governor as Settings


class Signal(StrEnum):
    """What is looked at four times a second."""

    LAG = "lag"  # by how much the loop's ticks were late, p95 of the last two seconds
    MEMORY = "memory"  # resident, as a share of the limit
    QUEUED = "queued"  # bytes that wait for handlers, devices, the hub and the log
    STANDING = "standing"  # since when more than 32 have been waiting to be judged


class Seen(NamedTuple):
    """What was read of each, None where this machine does not tell."""

    lag_s: float
    memory_share: float | None
    queued_bytes: int
    standing_s: float


class Range(NamedTuple):
    """Below `low` a signal is 0, from `high` on it is 1."""

    low: float
    high: float

    def normalised(self, value: float | None) -> float:
        """Return the signal, from 0 to 1; what is not known presses nobody."""
        if value is None:
            return 0.0
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


class Ranges(NamedTuple):
    """The range of each signal."""

    lag: Range
    memory: Range
    queued: Range
    standing: Range

    @classmethod
    def of(cls, settings: Settings) -> Ranges:
        """Return what the settings say."""
        return cls(
            Range(settings.lag_lo_s, settings.lag_hi_s),
            Range(settings.memory_lo_share, settings.memory_hi_share),
            Range(settings.queued_lo_bytes, settings.queued_hi_bytes),
            Range(settings.standing_lo_s, settings.standing_hi_s),
        )

    def pressures(self, seen: Seen) -> Mapping[Signal, float]:
        """Return every signal as a number from 0 to 1."""
        return {
            Signal.LAG: self.lag.normalised(seen.lag_s),
            Signal.MEMORY: self.memory.normalised(seen.memory_share),
            Signal.QUEUED: self.queued.normalised(seen.queued_bytes),
            Signal.STANDING: self.standing.normalised(seen.standing_s),
        }
