"""PURE: how long a way stays open in silence, learned from what survives and what dies.

Routers and carriers forget a connection on which nothing has passed for a while, and tell nobody.
One connection tries a longer interval, the others of its prefix keep to what has survived.
"""

from __future__ import annotations

from math import exp, inf
from typing import Final, NamedTuple

from msgspec import Struct

SHORTEST_S: Final = 10.0
STEPS_S: Final = (28.0, 43.0, 58.0, 88.0, 118.0, 178.0, 238.0, 298.0)
"""What is tried: just below what routers are set to, each about a third or a half more."""

LEAST_STEP: Final = 1.1  # less than that is not worth a try
MARGIN_S: Final = 20.0  # below what has killed, or a fifth of that
SURVIVALS: Final = 5  # until what is tried is what has survived
BACK: Final = 0.7  # when what had survived does so no more
TOGETHER_S: Final = 60.0  # who die so close to each other die of one cause, mostly a power cut
FORGIVEN_S: Final = 604_800.0  # after the last death, until longer ones are tried anew

DOUBT: Final = 0.02
"""What is tried has killed when chance would end as many connections less often than this."""

RARELY_S: Final = 30.0
RARE: Final = 0.02
"""Of routers so few forget before 30 s: there chance has to be so much less likely, too."""

USUAL_LIFE_S: Final = 21_600.0
"""Before anything is known, one silent connection in so many seconds is thought to end by chance"""


class Change(NamedTuple):
    """The interval of a prefix was another before, or what was tried is not any more."""

    before_s: float
    after_s: float
    reason: str


class Way(Struct, gc=False):
    """What is known of the way to one prefix.

    `lo_s` is everybody's interval: it has survived. `hi_s` has killed. Times are of one clock.
    """

    lo_s: float
    hi_s: float = inf
    survived: int = 0  # what is tried
    killed: int = 0  # by what is tried, one after the other
    calm: int = SURVIVALS  # survivals of `lo_s` since a death at it
    quiet_s: float = 0.0  # of silences that were survived, all together
    deaths: int = 0  # at what had survived
    died_at: float = -inf
    hi_before_s: float = 0.0  # while the last death was one by what was tried
    since: float = 0.0  # its last change

    def next_s(self, most_s: float) -> float:
        """Return what is to be tried, whole seconds; `lo_s` for nothing."""
        if self.hi_s < inf:
            return self.lo_s
        step_s = next((each for each in STEPS_S if each >= LEAST_STEP * self.lo_s), inf)
        step_s = float(int(min(step_s, most_s)))
        return step_s if step_s >= LEAST_STEP * self.lo_s else self.lo_s

    def survive(self, interval_s: float, now: float) -> Change | None:
        """A silence of that length was followed by an answer."""
        self.quiet_s += interval_s
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
        together_s = max(TOGETHER_S, interval_s)
        is_alone, self.died_at = now - self.died_at >= together_s, now
        if interval_s <= self.lo_s:
            return self._fail(is_alone=is_alone)
        self.survived = 0
        if not is_alone:
            return None
        self.killed += 1
        by_chance = self.chance(interval_s) ** self.killed
        if by_chance > DOUBT * (RARE if interval_s < RARELY_S else 1.0):
            return Change(interval_s, self.lo_s, "died, to be tried once more")
        self.killed = 0
        self.hi_before_s, self.hi_s = self.hi_s, interval_s
        safe_s = float(int(interval_s - min(MARGIN_S, interval_s / 5)))
        self.lo_s = max(min(self.lo_s, safe_s), min(self.lo_s, least_s))
        return Change(interval_s, self.lo_s, f"died, by chance 1 in {1 / by_chance:.0f}")

    def chance(self, silence_s: float) -> float:
        """Return how likely a connection ends by chance in such a silence.

        Ends are taken as a Poisson process, its rate is the mean of what is known of it: a gamma
        prior of one end in `USUAL_LIFE_S`, and what was seen at this prefix.
        """
        return 1 - exp(-silence_s * (1 + self.deaths) / (USUAL_LIFE_S + self.quiet_s))

    def _fail(self, *, is_alone: bool) -> Change | None:
        """What had survived has died: once is chance, again without survivals is the way."""
        hi_before_s, self.hi_before_s = self.hi_before_s, 0.0
        if not is_alone:
            return self._acquit(hi_before_s)
        self.deaths += 1
        is_again, self.calm = self.calm < SURVIVALS, 0
        if not is_again or self.lo_s <= SHORTEST_S:
            return None
        before_s = self.lo_s
        self.hi_s = min(self.hi_s, before_s)
        self.lo_s = max(SHORTEST_S, float(int(BACK * before_s)))
        self.survived = self.killed = 0
        return Change(before_s, self.lo_s, "died, and had survived before")

    def _acquit(self, hi_before_s: float) -> Change | None:
        """Others died with it, of what was not tried: the try was not what killed."""
        if hi_before_s <= self.hi_s:
            return None
        killer_s, self.hi_s = self.hi_s, hi_before_s
        return Change(self.lo_s, self.lo_s, f"others died with it: {killer_s:g} s has not killed")
