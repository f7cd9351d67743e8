"""How far audio may run ahead of the ear: a few packets, then real time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keepline.wire.messages import AudioParams

SHORTEST_S, LONGEST_S = 0.0025, 0.12  # what one Opus packet may last
USUAL_MS = 60
_ROUNDING_S = 1e-6


def packet_s(params: AudioParams | None) -> float:
    """Return how long a packet for this device plays; None for a device that did not say."""
    return _played_s(USUAL_MS if params is None else params.frame_duration)


# What all of a fleet have in common: an own float would be 32 bytes of each that talks, and a hole
# in memory afterwards.


@lru_cache(maxsize=16)
def _played_s(duration_ms: float) -> float:
    return min(max(duration_ms / 1000, SHORTEST_S), LONGEST_S)


@lru_cache(maxsize=16)
def _ahead_s(packet_s: float, packets: int) -> float:
    return packet_s * packets + _ROUNDING_S


class Pace:
    """When the next packet may go, from what is being heard and what has been sent; no clock."""

    __slots__ = ("_ahead_s", "_heard_until", "packet_s")

    def __init__(self, packet_s: float, packets_ahead: int) -> None:
        self.packet_s = packet_s
        self._ahead_s = _ahead_s(packet_s, packets_ahead)
        self._heard_until = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long the next packet has to wait; 0 or less for not at all."""
        return self._heard_until - self._ahead_s - now

    def take(self, now: float) -> float:
        """Return as `wait_s`; when that is not at all, the packet goes now and is counted."""
        heard_until = self._heard_until
        wait_s = heard_until - self._ahead_s - now
        if wait_s <= 0:
            begins = heard_until if heard_until > now else now  # noqa: FURB136 (no call)
            self._heard_until = begins + self.packet_s
        return wait_s

    def rest_s(self, now: float) -> float:
        """Return how long what was sent can still be heard; 0 or less for no more."""
        return self._heard_until - now

    def sent(self, now: float) -> None:
        """Count a packet: it is heard after those before it."""
        self._heard_until = max(self._heard_until, now) + self.packet_s
