"""PURE: when a faulty device does what; good devices have none of this."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, Final

from keepline.fleet.faults import Fault, Faults, Recurring

if TYPE_CHECKING:
    from keepline.fleet.chance import Randomness

LOOK_AGAIN_S: Final = 0.25  # whether its moment, idle or talking, has come


class Mischief:
    """The faults of one device. `at` is when it wants to be asked again, `inf` for never."""

    __slots__ = ("_chance", "_due", "_faults", "_started", "at")

    def __init__(
        self, own: list[Fault], faults: Faults, chance: Randomness, started: float
    ) -> None:
        """`own` are the faults that this device has, `started` when its fleet did."""
        self.at = inf
        self._due = dict.fromkeys(own, inf)
        self._faults = faults
        self._chance = chance
        self._started = started

    def begin(self, now: float) -> None:
        """Plan ahead: the device is connected."""
        for fault in self._due:
            self._plan(fault, now)
        self._look()

    def end(self) -> None:
        """Plan nothing: it is not connected any more."""
        self.at = inf

    def take(self, now: float, *, talking: bool) -> Fault | None:
        """Return the fault whose time has come, and plan its next one; None if none has."""
        fault = min(self._due, key=self._due.__getitem__)
        if self._due[fault] > now:
            self._look()
            return None
        said = self._faults.of(fault)
        happens = True
        if isinstance(said, Recurring):
            happens = said.during == "any" or (said.during == "talking") == talking
        else:
            happens = self._chance.random() < said.share
        if happens or not isinstance(said, Recurring):
            self._plan(fault, now)
        else:
            self._due[fault] = now + LOOK_AGAIN_S
        self._look()
        return fault if happens else None

    def _plan(self, fault: Fault, now: float) -> None:
        said = self._faults.of(fault)
        if isinstance(said, Recurring):
            self._due[fault] = now + said.every_s * self._chance.uniform(0.25, 1.75)
        else:  # everybody's at the same moment
            passed = (now - self._started) / said.every_s
            self._due[fault] = self._started + said.every_s * max(1, ceil(passed + 1e-6))

    def _look(self) -> None:
        self.at = min(self._due.values())


def mischief_of(faults: Faults, chance: Randomness, started: float) -> Mischief | None:
    """Return what this one device is up to; None for a good one, and nothing is drawn for it."""
    own = []
    for fault in Fault:
        share = faults.of(fault).share
        if share and (fault is Fault.STORM or chance.random() < share):
            own.append(fault)
    return Mischief(own, faults, chance, started) if own else None
