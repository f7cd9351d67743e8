"""PURE: what is done at which pressure, how strongly, and from when on no more."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.gateway.governor.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SLACK: Final = 0.05
"""An action ends only when the pressure has fallen by so much below where it began..."""

CALM_S: Final = 2.0
"""...and has stayed there for so long."""

CALM: Final = "calm"
FORCED: Final = "forced"
SWITCHED_OFF: Final = "switched off"

_ROOM: Final = (Signal.MEMORY, Signal.QUEUED)
_WORK: Final = (Signal.LAG, Signal.STANDING)


class Action(Enum):
    """What is done, mildest first.

    It begins at the pressure `low` and is done with all its strength from `high` on. It answers
    to those signals alone that it relieves: a device less makes room, but no late loop punctual.
    """

    SHRINK = ("shrink", 0.70, 0.85, _ROOM)  # quiet devices are idle sooner, and hold no buffers
    SLOW = ("slow", 0.80, 0.95, _WORK)  # every second look at ourselves is left out
    HOLD = ("hold", 0.85, 0.95, _ROOM + _WORK)  # who comes back by itself is held, or told when
    SHED = ("shed", 0.90, 0.98, _ROOM)  # some idle devices are sent away
    RESUMES_ONLY = ("resumes_only", 0.95, 1.0, _ROOM)  # who was here lately is let in, nobody else
    NONE = ("none", 0.98, 1.0, _ROOM)  # nobody is

    def __init__(self, word: str, low: float, high: float, relieves: tuple[Signal, ...]) -> None:
        self.word = word
        self.low = low
        self.high = high
        self.relieves = relieves

    __hash__ = object.__hash__  # an enum's own is a call in Python

    def scale(self, pressure: float) -> float:
        """Return how strongly it is done, from 0 to 1."""
        return min(1.0, max(0.0, (pressure - self.low) / (self.high - self.low)))


BY_WORD: Final = {action.word: action for action in Action}

UNFORCED: Final[Mapping[Action, float]] = {}


class Change(NamedTuple):
    """An action begins or ends: its strength before and after, None for not at all, and why."""

    action: Action
    before: float | None
    after: float | None
    reason: str


class Ladder:
    """Which actions are taken now, and how strongly."""

    __slots__ = ("_calm_since", "taken")

    def __init__(self) -> None:
        self.taken: dict[Action, float] = {}
        self._calm_since: dict[Action, float] = {}

    def decide(
        self,
        pressures: Mapping[Signal, float],
        now: float,
        *,
        forced: Mapping[Action, float] = UNFORCED,
        off: Collection[Action] = (),
    ) -> list[Change]:
        """Return what begins and ends. What is `forced` takes the place of the signals."""
        changes = []
        for action in Action:
            signal = max(action.relieves, key=pressures.__getitem__)
            is_forced = action in forced
            pressure = forced[action] if is_forced else pressures[signal]
            before = self.taken.get(action)
            if action in off:
                after, reason = None, SWITCHED_OFF
            elif pressure >= action.low:
                after, reason = action.scale(pressure), signal.value
                self._calm_since.pop(action, None)
            elif before is None or is_forced or self._is_over(action, pressure, now):
                after, reason = None, CALM
            else:
                after, reason = 0.0, signal.value
            self._take(action, after)
            if (before is None) != (after is None):
                if is_forced and reason != SWITCHED_OFF:
                    reason = FORCED
                changes.append(Change(action, before, after, reason))
        return changes

    def _take(self, action: Action, strength: float | None) -> None:
        if strength is None:
            self.taken.pop(action, None)
            self._calm_since.pop(action, None)
        else:
            self.taken[action] = strength

    def _is_over(self, action: Action, pressure: float, now: float) -> bool:
        if pressure >= action.low - SLACK:
            self._calm_since.pop(action, None)
            return False
        return now - self._calm_since.setdefault(action, now) >= CALM_S
