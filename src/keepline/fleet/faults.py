"""PURE: what may be wrong with simulated devices: which faults, in how many, and how often."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

BadKind: TypeAlias = Literal["utf8", "frame", "json", "oversize", "header", "pings"]
BAD_KINDS: Final[tuple[BadKind, ...]] = ("utf8", "frame", "json", "oversize", "header", "pings")

Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Range: TypeAlias = tuple[Seconds, Seconds]


class Fault(Enum):
    """What a device does that it should not, or that its server has to live with."""

    DIE = "die"
    HANG_UP = "hang_up"
    RESET = "reset"
    STALL = "stall"
    SLOW_READER = "slow_reader"
    BAD_INPUT = "bad_input"
    STORM = "storm"


class Recurring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault of a `share` of the devices: each has it about every `every_s` while connected."""

    share: Share = 0.0
    every_s: Seconds = 20.0
    during: Literal["any", "idle", "talking"] = "any"


class Dying(Recurring, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The socket stays and nothing is answered; the device is back on a new one after `away_s`."""

    away_s: Range = (120.0, 180.0)


class Lasting(Recurring, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault that passes after `for_s`."""

    for_s: Range = (5.0, 10.0)


class BadInput(Recurring, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something no device says, one of `kinds` at a time."""

    kinds: Annotated[tuple[BadKind, ...], msgspec.Meta(min_length=1)] = BAD_KINDS


class Storm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every `every_s` of the fleet a `share` of it loses TCP at once and is back in `within_s`."""

    share: Share = 0.0
    every_s: Seconds = 20.0
    within_s: Seconds = 1.0


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is wrong with a fleet; without arguments nothing."""

    die: Dying = Dying()
    hang_up: Recurring = Recurring()
    reset: Recurring = Recurring()
    stall: Lasting = Lasting()
    slow_reader: Lasting = Lasting()
    bad_input: BadInput = BadInput()
    storm: Storm = Storm()

    def of(self, fault: Fault) -> Recurring | Storm:
        """Return what is said of one fault."""
        found: Recurring | Storm = getattr(self, fault.value)
        return found

    @property
    def sockets_each(self) -> int:
        """How many sockets a device may have at once: a dead one's stays."""
        return 2 if self.die.share else 1


NO_FAULTS: Final = Faults()
