"""PURE: what goes wrong in a simulation, and how often: each seed draws its own mixture."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

HOUR_S: Final = 3_600.0


class Fault(StrEnum):
    """What can go wrong. The first ones are of one device, the others of the gateway's machine."""

    DIE = "die"  # silent for good; back some time later, the old connection never answers
    REBOOT = "reboot"  # the same, but back soon: the old connection is answered with a reset
    HANG_UP = "hang_up"
    RESET = "reset"
    PARTITION = "partition"
    DEAF_UP = "deaf_up"  # what the device sends is lost, what it is sent comes
    DEAF_DOWN = "deaf_down"
    LOSS = "loss"
    JITTER = "jitter"
    SLOW_READER = "slow_reader"  # reads nothing for a while, and is sent much
    TAKEOVER = "takeover"  # a new connection while the old one lingers
    BAD_INPUT = "bad_input"
    PING_FLOOD = "ping_flood"
    KICK = "kick"
    COMMAND = "command"  # an operator's message
    REVOKE = "revoke"

    STALL = "stall"  # the gateway's loop is blocked
    KILL = "kill"
    POWER_CUT = "power_cut"  # as kill, and no device is told
    RESTART = "restart"
    WALL_JUMP = "wall_jump"
    DISK_SLOW = "disk_slow"
    DISK_LOCKED = "disk_locked"


OF_THE_HOST: Final = frozenset(
    {
        *(Fault.STALL, Fault.KILL, Fault.POWER_CUT, Fault.RESTART, Fault.WALL_JUMP),
        *(Fault.DISK_SLOW, Fault.DISK_LOCKED),
    }
)
HOST_SHARE: Final = 0.02
"""Of all faults so many are the machine's."""

ON: Final = 0.6
"""How likely each kind of fault is part of a seed's mixture."""


class Mixture(NamedTuple):
    """The faults of one seed with their weights; `per_device_hour` are to be expected in all."""

    weights: dict[Fault, float]
    per_device_hour: float

    def next_s(self, random: Random, devices: int) -> float:
        """Return how long until the next one; infinite for never."""
        per_s = self.per_device_hour * devices / HOUR_S
        return random.expovariate(per_s) if per_s and self.weights else float("inf")

    def draw(self, random: Random) -> Fault | None:
        """Return which one it is; None when the one to be drawn is not part of the mixture."""
        of_host = random.random() < HOST_SHARE
        chosen = {
            fault: weight
            for fault, weight in self.weights.items()
            if (fault in OF_THE_HOST) == of_host
        }
        if not chosen:
            return None
        return random.choices(list(chosen), list(chosen.values()))[0]


def drawn_mixture(
    random: Random, per_device_hour: float, among: Iterable[Fault] = tuple(Fault)
) -> Mixture:
    """Draw which of these faults a seed has, and how strongly."""
    weights = {fault: random.expovariate(1.0) for fault in among if random.random() < ON}
    return Mixture(weights, per_device_hour)
