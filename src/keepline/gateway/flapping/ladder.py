"""How hot a key has run, and on which step of the ladder it stands; takes `now`, does no I/O."""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum
from typing import Final, NamedTuple

MOST_CLIMBING: Final = 4_096
MOST_HELD: Final = 4_096
SHRINK_ABOVE: Final = 1_024


class Step(StrEnum):
    """What is done about who comes and goes without end."""

    DELAYED = "delayed"
    DENIED = "denied"
    BANNED = "banned"


class Rungs(NamedTuple):
    """From how much heat on each step is reached, and how fast it cools: one in `calm_s`."""

    delay: float
    deny: float
    ban: float
    calm_s: float
    ban_s: float

    def step(self, heat: float) -> Step | None:
        """Return the step for so much heat, None for no step."""
        if heat > self.ban:
            return Step.BANNED
        if heat > self.deny:
            return Step.DENIED
        return Step.DELAYED if heat > self.delay else None


class Standing:
    """One key: `heat` at the time `at`; since when it is held, how often it came, until when."""

    __slots__ = ("at", "heat", "key", "since", "step", "times", "until")

    def __init__(self, key: str, now: float) -> None:
        self.key = key
        self.heat = 0.0
        self.at = now
        self.step: Step | None = None
        self.since = now
        self.until: float | None = None  # of a ban
        self.times = 0


class Ladder:
    """The keys that have run hot. Each short life heats by one, and time cools.

    Bounded: beyond MOST_CLIMBING the key that was heated longest ago is forgotten, beyond
    MOST_HELD the one that is held the longest.
    """

    __slots__ = ("_climbing", "_peak", "held", "rungs")

    def __init__(self, rungs: Rungs) -> None:
        self.rungs = rungs
        self.held: dict[str, Standing] = {}
        self._climbing: OrderedDict[str, Standing] = OrderedDict()
        self._peak = 0

    def __len__(self) -> int:
        return len(self.held) + len(self._climbing)

    def heat(self, key: str, now: float, by: float = 1.0) -> Standing | None:
        """Heat `key`; return how it stands when that has brought it to a higher step."""
        standing = self.held.get(key) or self._climbing.get(key)
        if standing is None:
            standing = self._climbing[key] = Standing(key, now)
            self._peak = max(self._peak, len(self._climbing))
        elif standing.step is Step.BANNED:
            return None
        else:
            self._cool(standing, now)
            if standing.step is None:
                self._climbing.move_to_end(key)
        standing.heat += by
        standing.times += 1
        before = standing.step
        step = self.rungs.step(standing.heat)
        if step is None or (before is not None and _HEIGHT[step] <= _HEIGHT[before]):
            self._forget_the_oldest()
            return None
        self._put_on(standing, step, now)
        return standing

    def wait_s(self, standing: Standing, now: float) -> float:
        """Return when one that is denied or banned may come again: in so many seconds."""
        if standing.until is not None:
            return max(0.0, standing.until - now)
        self._cool(standing, now)
        return max(0.0, standing.heat - self.rungs.deny) * self.rungs.calm_s

    def share(self, standing: Standing, now: float) -> float:
        """Return how far one that is delayed has come to being denied, from 0 to 1."""
        self._cool(standing, now)
        rungs = self.rungs
        return min(1.0, max(0.0, (standing.heat - rungs.delay) / (rungs.deny - rungs.delay)))

    def settle(self, now: float) -> list[Standing]:
        """Let everybody down as far as they have cooled; return who is not held any more.

        Who is delayed is let go at half the heat that it takes to be delayed.
        """
        released = []
        for standing in list(self.held.values()):
            if standing.until is not None:
                if now >= standing.until:
                    released.append(standing)
                continue
            self._cool(standing, now)
            if standing.heat <= self.rungs.delay / 2:
                released.append(standing)
            elif standing.step is Step.DENIED and standing.heat <= self.rungs.deny:
                standing.step = Step.DELAYED
        for standing in released:
            del self.held[standing.key]
        self._forget_the_cool(now)
        return released

    def lift(self, key: str) -> bool:
        """Forget all about `key`; True if it was held."""
        self._climbing.pop(key, None)
        return self.held.pop(key, None) is not None

    def _put_on(self, standing: Standing, step: Step, now: float) -> None:
        if standing.step is None:
            standing.since = now
            del self._climbing[standing.key]
            self.held[standing.key] = standing
            if len(self.held) > MOST_HELD:
                del self.held[next(iter(self.held))]
        standing.step = step
        if step is Step.BANNED:
            standing.until = now + self.rungs.ban_s

    def _cool(self, standing: Standing, now: float) -> None:
        standing.heat = max(0.0, standing.heat - (now - standing.at) / self.rungs.calm_s)
        standing.at = now

    def _forget_the_oldest(self) -> None:
        if len(self._climbing) > MOST_CLIMBING:
            self._climbing.popitem(last=False)

    def _forget_the_cool(self, now: float) -> None:
        while self._climbing:
            oldest = next(iter(self._climbing.values()))
            if oldest.heat * self.rungs.calm_s > now - oldest.at:
                break
            self._climbing.popitem(last=False)
        if self._peak > SHRINK_ABOVE and len(self._climbing) * 4 < self._peak:
            self._climbing = OrderedDict(self._climbing)
            self._peak = len(self._climbing)


_HEIGHT: Final = {step: height for height, step in enumerate(Step)}
