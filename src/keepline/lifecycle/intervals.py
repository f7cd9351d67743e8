"""PURE: how long a way stays open in silence, learned from what survives and what dies.

Routers and carriers forget a connection on which nothing has passed for a while, and tell nobody.
One connection tries a longer interval, the others of its prefix keep to what has survived.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from msgspec import Struct

SHORTEST_S: Final = 10.0
STEP: Final = 1.25  # from what has survived to what is tried
MARGIN_S: Final = 20.0  # below what has killed, or a fifth of that
SURVIVALS: Final = 5  # until what is tried is what has survived
DEATHS: Final = 2  # until what is tried has killed
BACK: Final = 0.7  # when what had survived does so no more
TOGETHER_S: Final = 60.0  # who die so close to each other die of one cause, mostly a power cut
FORGIVEN_S: Final = 604_800.0  # after the last death, until longer ones are tried anew


class Change(NamedTuple):
    """The interval of a prefix was another before, or what was tried is not any more."""

    before_s: float
    after_s: float
    reason: str


class Way(Struct, gc=False):
    """What is known of the way to one prefix.

    `lo_s` is everybody's interval: it has survived. `hi_s` has killed. `trier` is the number of
    the connection that tries a longer one, 0 for none; times are of one clock, in seconds.
    """

    lo_s: float
    hi_s: float = inf
    trier: int = 0
    survived: int = 0  # what is tried
    killed: int = 0  # by what is tried
    calm: int = SURVIVALS  # survivals of `lo_s` since a death at it
    died_at: float = -inf

    def next_s(self, most_s: float) -> float:
        """Return what is to be tried, whole seconds; `lo_s` or less for nothing."""
        return float(int(min(STEP * self.lo_s, self._safe_s(), most_s)))

    def survive(self, interval_s: float, now: float) -> Change | None:
        """A silence of that length was followed by an answer."""
        if interval_s <= self.lo_s:
            self.calm += 1
            if now - self.died_at > FORGIVEN_S:
                self.hi_s = inf
            return None
        self.survived += 1
        if self.survived < SURVIVALS:
            return None
        change = Change(self.lo_s, interval_s, f"survived {SURVIVALS} times")
        self.lo_s, self.survived, self.killed = interval_s, 0, 0
        return change

    def die(self, interval_s: float, least_s: float, now: float) -> Change | None:
        """A silence of that length was followed by none; `least_s` is what all begin with."""
        is_alone, self.died_at = now - self.died_at >= TOGETHER_S, now
        if interval_s <= self.lo_s:
            return self._fail() if is_alone else None
        self.trier = self.survived = 0
        self.killed += 1
        if self.killed < DEATHS:
            return Change(interval_s, self.lo_s, "died, to be tried once more")
        self.killed = 0
        self.hi_s = min(self.hi_s, interval_s)
        self.lo_s = max(min(self.lo_s, float(int(self._safe_s()))), min(self.lo_s, least_s))
        return Change(interval_s, self.lo_s, f"died {DEATHS} times")

    def _safe_s(self) -> float:
        return self.hi_s - min(MARGIN_S, self.hi_s / 5) if self.hi_s < inf else inf

    def _fail(self) -> Change | None:
        """What had survived has died: once is chance, again without survivals is the way."""
        is_again, self.calm = self.calm < SURVIVALS, 0
        if not is_again or self.lo_s <= SHORTEST_S:
            return None
        before_s = self.lo_s
        self.hi_s = min(self.hi_s, before_s)
        self.lo_s = max(SHORTEST_S, float(int(BACK * before_s)))
        self.trier = self.survived = self.killed = 0
        return Change(before_s, self.lo_s, "died, and had survived before")
