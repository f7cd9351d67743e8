"""What a run of a simulated fleet is to be, and whether it may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from keepline.errors import StartError
from keepline.fleet.endpoint import CONFIGURATION, WEBSOCKET, is_this_machine, read_url
from keepline.fleet.faults import NO_FAULTS, Faults
from keepline.fleet.habits import Habits

if TYPE_CHECKING:
    from pathlib import Path

    from keepline.fleet.endpoint import Place

OTHER_DESCRIPTORS: Final = 64
"""The loop, the terminal, and requests for configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. `url` or `ota` is given, `seconds` None runs until it is stopped.

    `ca` None trusts the system's authorities; `anywhere` allows other machines than this one.
    """

    url: str | None
    ota: str | None = None
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    devices: int = 100
    seconds: float | None = None
    seed: int = 1
    ramp_per_s: float = 100.0
    habits: Habits = Habits()  # noqa: RUF009 (frozen)
    faults: Faults = NO_FAULTS
    anywhere: bool = False

    @property
    def descriptors(self) -> int:
        """How many files it may have open at once."""
        return self.devices * self.faults.sockets_each + OTHER_DESCRIPTORS

    def check(self) -> None:
        """Raise StartError for a URL that is none, or leads to somebody else's machine."""
        for url, schemes in ((self.url, WEBSOCKET), (self.ota, CONFIGURATION)):
            if url is not None and not self.may_visit(place := read_url(url, schemes)):
                raise StartError(
                    f"{place.host} is another machine, and {self.devices} devices are a load on it",
                    "if it is yours to test, add --yes-i-run-this-server",
                )

    def may_visit(self, place: Place) -> bool:
        """Return whether devices may go there."""
        return self.anywhere or is_this_machine(place)

    def check_descriptors(self, allowed: int) -> None:
        """Raise StartError if `allowed` open files are too few."""
        if allowed >= self.descriptors:
            return
        each = max(1, (allowed - OTHER_DESCRIPTORS) // self.faults.sockets_each)
        raise StartError(
            f"{self.devices} devices need {self.descriptors} open files, the limit is {allowed}",
            f"raise it with: ulimit -n {self.descriptors}\n"
            f"or run several, each with a seed of its own: --devices {each} --seed 1, --seed 2, …",
        )
