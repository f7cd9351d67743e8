"""The way between one device and its gateway: how slow and lossy it is now, and where it is cut."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from keepline.simulation.timeline import Timeline

FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 60.0
"""What TCP waits before it sends a lost segment again: at first, and at most (RFC 6298)."""


class Conditions(NamedTuple):
    """A network: one way takes `delay_s` and up to `jitter_s` more; `loss` is a share."""

    delay_s: float = 0.02
    jitter_s: float = 0.01
    loss: float = 0.0
    cuts: float = 0.0  # share of segments that arrive in two parts

    @property
    def most_s(self) -> float:
        """The longest that a round trip takes; infinite where segments are lost."""
        return inf if self.loss else 2 * (self.delay_s + self.jitter_s)


class Path:
    """One device's way. `up` leads to the gateway, `down` to the device.

    A router on it forgets a connection after `forgets_s` of silence, one after the other counted in
    `forgotten` whose device was there.
    """

    __slots__ = (
        "_blocked",
        "_conditions",
        "_draw",
        "_random",
        "_timeline",
        "_usual",
        "blocked_until",
        "forgets_s",
        "forgotten",
        "is_plain",
        "troubled_at",
        "waiting",
    )

    def __init__(self, timeline: Timeline, random: Random, conditions: Conditions) -> None:
        self.conditions = self._usual = conditions
        self.forgets_s = inf
        self.forgotten = 0
        self.blocked_until = 0.0  # in one direction at least
        self._draw = random.random
        self.troubled_at = -inf  # when it was last worse than usual
        self.waiting: dict[Callable[[], None], None] = {}  # called when it is whole again
        self._blocked = {"up": 0.0, "down": 0.0}  # until when
        self._timeline = timeline
        self._random = random

    @property
    def conditions(self) -> Conditions:
        """What it is like now."""
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self.is_plain = not (conditions.loss or conditions.cuts)

    def is_blocked(self, direction: str) -> bool:
        """Whether nothing comes through that way now."""
        return self._timeline.now < self._blocked[direction]

    @property
    def is_whole(self) -> bool:
        """Whether both ways are open."""
        return not (self.is_blocked("up") or self.is_blocked("down"))

    def block(self, direction: str, until: float) -> None:
        """Let nothing through until then."""
        self._blocked[direction] = max(until, self._blocked[direction])
        self.blocked_until = max(until, self.blocked_until)
        self.troubled_at = max(self.troubled_at, until)
        self._timeline.at(until, self._heal)

    def change(self, conditions: Conditions, until: float) -> None:
        """Be like that until then."""
        self.conditions = conditions
        self.troubled_at = max(self.troubled_at, until + 2 * LONGEST_RETRY_S)
        self._timeline.at(until, self._change_back)

    def calm(self) -> None:
        """Let everything through from now on, without loss."""
        self._blocked = {"up": 0.0, "down": 0.0}
        self.blocked_until = 0.0
        self.conditions = self._usual
        self._heal(None)

    def takes_s(self) -> float:
        """Return how long the next segment takes, sent again as often as it is lost."""
        delay_s, jitter_s, loss, _ = self._conditions
        takes_s = delay_s + jitter_s * self._draw()
        if loss:
            retry_s = FIRST_RETRY_S
            while self._draw() < loss:
                takes_s += retry_s
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
        return takes_s

    def retried_after_s(self, blocked_s: float) -> float:
        """Return how long after the way is open again what was lost meanwhile is sent again."""
        return self._random.random() * min(max(blocked_s, FIRST_RETRY_S), LONGEST_RETRY_S)

    def cut(self, data: bytes) -> int:
        """Return where a segment is cut in two, 0 for nowhere."""
        if len(data) > 1 and self._random.random() < self.conditions.cuts:
            return self._random.randrange(1, len(data))
        return 0

    def _change_back(self, _: None) -> None:
        self.conditions = self._usual

    def _heal(self, _: None) -> None:
        if self.is_whole:
            waiting, self.waiting = self.waiting, {}
            for go_on in waiting:
                go_on()
