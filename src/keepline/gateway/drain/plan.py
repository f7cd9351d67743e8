"""PURE: how devices leave: in which order, at what pace, how long it takes, who is cut."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_RATE_PER_S: Final = 2_000.0
"""What a node closes and cleans up in a second so that its loop does not notice."""

SETTLE_S: Final = 1.0
"""For the last cleanups, and for our own timers."""

OWN_SHARE: Final = 0.5
"""Of the time there is, for ends that need no spreading: a larger crowd goes faster."""


class Wave(StrEnum):
    """When a device goes: in this order."""

    IDLE = "idle"
    QUIET = "quiet"  # not idle yet, and nobody speaks
    TALKING = "talking"  # when its turn ends


class Return(StrEnum):
    """How a device comes back after its end."""

    NEVER = "never"  # not before its user speaks
    TOLD = "told"  # when it is told to
    BY_ITSELF = "by_itself"  # a while of its own after its end


Crowd = dict[tuple[Wave, Return], int]
"""How many devices there are of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen; times in seconds from the moment in which nobody is let in any more.

    `rate_per_s` is what may arrive elsewhere, or here again. Who comes back by itself arrives as
    it went, so it goes at that rate; all others go at `own_rate_per_s`, and those of them that are
    told when to come back are spread by what they are told. `close_s` is the longest bound of a
    Close, `away_s` how long nobody takes them here afterwards, 0 where others do; `back_s` is how
    long those take that come back by themselves, at most.
    """

    crowd: Mapping[tuple[Wave, Return], int]
    rate_per_s: float
    wait_s: float
    turn_s: float
    close_s: float
    away_s: float
    back_s: float = 0.0

    def count(self, wave: Wave | None = None, comes_back: Return | None = None) -> int:
        """Return how many devices are of one wave, of one kind, of both, or in all."""
        return sum(
            number
            for (its_wave, its_return), number in self.crowd.items()
            if wave in (None, its_wave) and comes_back in (None, its_return)
        )

    @property
    def own_rate_per_s(self) -> float:
        """How many of those go in a second whose ends need no spreading."""
        free = self.count() - self.count(comes_back=Return.BY_ITSELF)
        return max(OWN_RATE_PER_S, free / (self.wait_s * OWN_SHARE))

    @property
    def waves_s(self) -> float:
        """When the last slot is over, however long conversations take."""
        free = self.count() - self.count(comes_back=Return.BY_ITSELF)
        return max(self.paced_s, free / self.own_rate_per_s)

    @property
    def paced_s(self) -> float:
        """When the last slot is over of those that come back by themselves."""
        return self.count(comes_back=Return.BY_ITSELF) / self.rate_per_s

    @property
    def eta_s(self) -> float:
        """When the last device has left at the latest, its handler's end not counted."""
        if not self.crowd:
            return 0.0
        turns_s = self.turn_s if self.count(Wave.TALKING) else 0.0
        turns_s += self.count(Wave.TALKING, Return.BY_ITSELF) / self.rate_per_s
        return min(max(self.waves_s, turns_s), self.wait_s) + self.close_s + SETTLE_S

    @property
    def cut(self) -> dict[Wave, int]:
        """How many find no slot in time and are closed together at the end, by wave."""
        over = self.count(comes_back=Return.BY_ITSELF) - int(self.rate_per_s * self.wait_s)
        cut = {}
        for wave in (Wave.QUIET, Wave.IDLE, Wave.TALKING):  # a turn that ends goes before others
            cut[wave] = max(0, min(over, self.count(wave, Return.BY_ITSELF)))
            over -= cut[wave]
        return {wave: number for wave, number in cut.items() if number}

    @property
    def fits(self) -> bool:
        """Whether everybody finds a slot in time."""
        return not self.cut

    def told(self) -> dict[str, object]:
        """Return what a line of the log tells of it."""
        return {
            "devices": self.count(),
            **{str(wave): self.count(wave) for wave in Wave},
            "rate_per_s": round(self.rate_per_s, 1),
            "waves_s": round(self.waves_s, 2),
            "eta_s": round(self.eta_s, 2),
            "fits": self.fits,
        }

    @property
    def hints_s(self) -> float:
        """When the first device is to come back that can be told.

        Not before they are let in, and behind those that nobody can tell: the last of them went
        at the end of the slots, or was refused in vain just before somebody was let in.
        """
        begin_s = self.eta_s + self.away_s if self.away_s else 0.0
        paced_s = self.paced_s
        return max(begin_s, paced_s) + self.back_s if paced_s else begin_s


class Slots:
    """Instants from `begin_s` on, one after the other, `rate_per_s` of them in a second.

    Each is moved by chance within a stratum of its own: uniform draws over the whole time would
    peak a third above their mean; these never do.
    """

    __slots__ = ("_begin_s", "_number", "rate_per_s")

    def __init__(self, rate_per_s: float, begin_s: float = 0.0) -> None:
        self.rate_per_s = rate_per_s
        self._begin_s = begin_s
        self._number = 0

    def take(self, u: float, not_before_s: float = 0.0) -> float:
        """Return the next one, moved by `u` in [0, 1); strata that are over by then are lost.

        Who is late gets no slot of the past: all who are would come at once.
        """
        over = int((not_before_s - self._begin_s) * self.rate_per_s)
        number = max(self._number, over)
        self._number = number + 1
        return self._begin_s + (number + u) / self.rate_per_s
