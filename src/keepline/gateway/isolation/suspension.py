"""Whether more sessions of one handler are begun: after many failures none, then a few, to see.

Counted are devices, not failures: one device whose words bring its handler down, again and again,
must not have the others kept out. Nor must one address, which may say to be many devices. Nothing
here reads a clock.
"""

from __future__ import annotations

from enum import StrEnum
from math import ceil, inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.settings.isolation import Isolation

P = TypeVar("P")

PROBES: Final = 3
"""Sessions that are begun to see whether it works again, at once."""

SHARE: Final = 0.1
"""Of the devices that are connected: so many failing are not the fault of a few of them."""


WORKED_S: Final = 10.0
"""A session that took a message within that, and is done with it, works; so long it is believed."""

ORIGINS: Final = 4
"""So many have to fail at least: of one no more than that part of what it takes is counted."""


class Standing(StrEnum):
    """How a class of handlers stands."""

    SERVING = "serving"
    SUSPENDED = "suspended"
    PROBING = "probing"


def _none_work(_enough: int) -> bool:
    return False


class Suspension(Generic[P]):
    """The failures of one class of handlers, and what follows from them. Times in seconds."""

    __slots__ = (
        "_failed",
        "_limits",
        "_probes",
        "_until",
        "_works_until",
        "failures",
        "suspensions",
    )

    def __init__(self, limits: Isolation) -> None:
        self._limits = limits
        self._failed: dict[str, tuple[float, str]] = {}  # by device: when, and its origin
        self._until: float | None = None
        self._probes: dict[P, float] = {}
        self._works_until = -inf  # so long nobody is asked again whether it does
        self.failures = 0
        self.suspensions = 0

    def standing(self, now: float) -> Standing:
        """Return whether sessions are begun."""
        if self._until is None:
            return Standing.SERVING
        return Standing.SUSPENDED if now < self._until else Standing.PROBING

    def devices(self, now: float) -> int:
        """Return how many devices' sessions have failed lately."""
        self._forget_before(now - self._limits.failing_within_s)
        return len(self._failed)

    def is_idle(self, now: float) -> bool:
        """Whether nothing is to be remembered of it."""
        return self._until is None and not self._failed and now >= self._works_until

    def is_deserted(self, now: float) -> bool:
        """Whether it could be tried for so long, and nobody came who would: no failure counts."""
        if self._until is None or now < self._until + self._limits.failing_within_s:
            return False
        return not self._probes and not self.devices(now)

    def wait_s(self, now: float) -> float:
        """Return when to come again, 0 for now."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def failed(
        self,
        device_id: str,
        now: float,
        connected: int,
        origin: str = "",
        works: Callable[[int], bool] = _none_work,
    ) -> bool:
        """Count the failure of a device's session; True when no more are begun from now on.

        `origin` is from where, "" for what is no origin of its own. None are suspended while it
        `works` with as many as have failed; that is asked only then, and once in `WORKED_S` while
        it does. Counting begins anew.
        """
        self.failures += 1
        self._failed.pop(device_id, None)
        self._failed[device_id] = now, origin
        standing = self.standing(now)
        most = self._most(standing, connected)
        if origin:
            self._bound(origin, ceil(most / ORIGINS))
        if standing is Standing.SUSPENDED or self.devices(now) < most:
            return False
        is_broken = standing is Standing.PROBING or not self._is_believed(now, works)
        self._failed.clear()
        if is_broken:
            self._until = now + self._limits.suspended_for_s
            self._probes.clear()
            self.suspensions += 1
        return is_broken

    def _is_believed(self, now: float, works: Callable[[int], bool]) -> bool:
        if now >= self._works_until and works(len(self._failed)):
            self._works_until = now + WORKED_S
        return now < self._works_until

    def _bound(self, origin: str, most: int) -> None:
        """Forget the device of an origin that failed the longest ago, if they are too many."""
        devices = [device_id for device_id, (_, where) in self._failed.items() if where == origin]
        if len(devices) > most:
            del self._failed[devices[0]]

    def _most(self, standing: Standing, connected: int) -> float:
        """Return how many devices' failures suspend. While it is tried few are let in, but not one.

        Else the one device that brings it down would keep all others out, each time anew.
        """
        if standing is Standing.PROBING:
            return min(PROBES, self._limits.failing_devices)
        return max(self._limits.failing_devices, SHARE * connected)

    def may_begin(self, now: float) -> bool:
        """Return whether one more session may begin."""
        standing = self.standing(now)
        if standing is Standing.PROBING:
            return len(self._probes) < PROBES
        return standing is Standing.SERVING

    def begun(self, probe: P, now: float) -> None:
        """Note a session that has begun: while it is not known how it goes, it is a probe."""
        if self.standing(now) is Standing.PROBING:
            self._probes[probe] = now

    def probes(self) -> tuple[tuple[P, float], ...]:
        """Return the sessions that are watched, and since when."""
        return tuple(self._probes.items())

    def left(self, probe: P) -> None:
        """A probe has ended, and showed nothing."""
        self._probes.pop(probe, None)

    def proved(self) -> None:
        """A probe went well: sessions are begun again."""
        self._until = None
        self._probes.clear()

    def _forget_before(self, past: float) -> None:
        while self._failed:
            oldest = next(iter(self._failed))
            if self._failed[oldest][0] > past:
                return
            del self._failed[oldest]
