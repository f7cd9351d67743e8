"""Stops a fleet from being reaped for a fault that is not the devices' own."""

from __future__ import annotations

from collections import deque
from math import sqrt
from typing import TYPE_CHECKING, Final

from keepline.lifecycle.heartbeat import IDLE_WAITS

if TYPE_CHECKING:
    from keepline.lifecycle.heartbeat import HeartbeatPolicy

WINDOW_S: Final = 10
LEAST: Final = 20  # suspicions in a window that are never a mass
REAP_SHARE_PER_S: Final = 0.01

# The usual number of suspicions in a window is learned with a memory of about five minutes.
_LEARNING: Final = 1 / 300


class SuspicionBreaker:
    """Trips when far more connections than usual fall under suspicion at once.

    While `tripped`, at most 1 % of the fleet is reaped per second. It stays so until suspicions
    are as rare as usual, who was suspected has had `doubt_s` to be judged (see `longest_doubt_s`),
    and nobody has been held back for a window: its release kills no one.
    """

    __slots__ = (
        "_allowance",
        "_counts",
        "_doubt_s",
        "_mass_at",
        "_refused_at",
        "_second",
        "_spent_at",
        "_usual",
        "tripped",
    )

    def __init__(self, now: float, doubt_s: float) -> None:
        self.tripped = False
        self._doubt_s = doubt_s
        self._mass_at = now  # when there were last more suspicions than usual
        self._second = int(now)
        self._counts: deque[int] = deque([0] * WINDOW_S, maxlen=WINDOW_S)
        self._usual = 0.0
        self._allowance = 0.0
        self._spent_at = now
        self._refused_at = now

    @property
    def limit(self) -> float:
        """More suspicions than this in a window are a mass."""
        return max(LEAST, self._usual + 4 * sqrt(self._usual))

    @property
    def suspicions(self) -> int:
        """New suspicions in the running window."""
        return sum(self._counts)

    def note(self, now: float) -> bool:
        """Count a new suspicion; True when this one trips the breaker: one incident begins."""
        self._roll(now)
        self._counts[-1] += 1
        if self.suspicions <= self.limit:
            return False
        self._mass_at = now
        if self.tripped:
            return False
        self.tripped = True
        self._allowance = 0.0
        self._spent_at = self._refused_at = now
        return True

    def may_reap(self, now: float, fleet_size: int) -> bool:
        """Say whether one more zombie may be closed now, and count it if so."""
        if not self.tripped:
            return True
        per_s = fleet_size * REAP_SHARE_PER_S
        earned = self._allowance + (now - self._spent_at) * per_s
        self._allowance = min(earned, max(per_s, 1.0))
        self._spent_at = now
        if self._allowance >= 1.0:
            self._allowance -= 1.0
            return True
        self._refused_at = now
        return False

    def settle(self, now: float) -> bool:
        """To be called every second or oftener; True when the incident is over."""
        self._roll(now)
        calm = self.suspicions <= (self._usual + self.limit) / 2
        judged = now - self._mass_at >= self._doubt_s
        quiet = calm and judged and now - self._refused_at >= WINDOW_S
        if not (self.tripped and quiet):
            return False
        self.tripped = False
        return True

    def _roll(self, now: float) -> None:
        """Begin the seconds that have passed, and learn from each what is usual."""
        passed = int(now) - self._second
        self._second += passed
        for _ in range(min(passed, WINDOW_S)):
            # A mass must not pass for usual: it counts as twice the limit at most.
            seen = min(self.suspicions, 2 * self.limit)
            self._usual += (seen - self._usual) * _LEARNING
            self._counts.append(0)
        if passed > WINDOW_S:
            self._usual *= (1 - _LEARNING) ** (passed - WINDOW_S)


def longest_doubt_s(policy: HeartbeatPolicy) -> float:
    """Return how long after a suspicion its verdict may still come, with our own loop well."""
    by_age_s = policy.zombie_s - policy.suspicious_s
    if policy.preset == "seed":
        return by_age_s
    return max(by_age_s, min(sum(IDLE_WAITS[1:]) * policy.probe_max_s, policy.zombie_s))
