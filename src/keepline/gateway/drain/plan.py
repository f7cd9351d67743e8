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
    Close, `away_s` how long nobody takes them here afterwards, 0 where others do.
    """

    crowd: Mapping[tuple[Wave, Return], int]
    rate_per_s: float
    wait_s: float
    turn_s: float
    close_s: float
    away_s: float

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
        paced = self.count(comes_back=Return.BY_ITSELF)
        free = self.count() - paced
        return max(paced / self.rate_per_s, free / self.own_rate_per_s)

    @property
    def eta_s(self) -> float:
        """When the last device has left at the latest, its handler's end not counted."""
        turns_s = self.turn_s if self.count(Wave.TALKING) else 0.0
        if not self.crowd:
            return 0.0
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

    def hint_s(self, number: int, u: float, now_s: float) -> float:
        """Return after how long the `number`-th device that can be told is to come back.

        Their arrivals are stratified, and come behind those of devices that nobody can tell.
        """
        begin_s = self.eta_s + self.away_s if self.away_s else 0.0
        by_themselves = self.count(comes_back=Return.BY_ITSELF)
        begin_s = max(begin_s, by_themselves / self.rate_per_s)
        return max(0.0, begin_s + slot_s(number, u, self.rate_per_s) - now_s)


def slot_s(number: int, u: float, rate_per_s: float) -> float:
    """Return the instant of one departure: `u` in [0, 1) moves it within a stratum of its own.

    Uniform draws over the whole time would peak a third above their mean; these never do.
    """
    return (number + u) / rate_per_s
