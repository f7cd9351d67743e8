"""PURE: a device with faults: it lives as every device does, and now and then it does not."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from keepline.fleet.bad_input import bad_bytes
from keepline.fleet.device import Device
from keepline.fleet.faults import Fault
from keepline.fleet.mischief import mischief_of
from keepline.fleet.reaction import NOTHING, Action, Phase, Reaction
from keepline.wire.messages import Custom

if TYPE_CHECKING:
    from keepline.fleet.chance import Randomness
    from keepline.fleet.faults import Faults
    from keepline.fleet.habits import Habits
    from keepline.fleet.identity import Identity
    from keepline.fleet.mischief import Mischief
    from keepline.fleet.tally import Tally
    from keepline.wire.messages import ServerHello

ASK_EVERY_S: Final = 0.1
ASK_BYTES: Final = 32_768
"""What a slow reader has said back to it while it reads nothing: it is slow only if much comes."""

_NOT_WHILE_PAUSED: Final = frozenset({Fault.STALL, Fault.SLOW_READER, Fault.BAD_INPUT})


class FaultyDevice(Device):
    """Also dies, hangs up, resets, stalls, reads slowly, or says what no device says."""

    __slots__ = ("_ask_at", "_faults", "_mischief", "_resume_at", "_stalled_at")

    def __init__(
        self,
        identity: Identity,
        habits: Habits,
        random: Randomness,
        tally: Tally,
        *,
        first_due: float,
        faults: Faults,
        mischief: Mischief,
    ) -> None:
        self._faults = faults
        self._mischief = mischief
        self._resume_at = inf  # when it reads again
        self._stalled_at: float | None = None
        self._ask_at = inf  # when a slow reader asks for more
        super().__init__(identity, habits, random, tally, first_due=first_due)

    def tick(self, now: float) -> Reaction:
        """Do what is wrong, or what is right, whichever is due."""
        if now >= self._resume_at:
            return self._resume(now)
        if self.is_connected and now >= self._mischief.at:
            fault = self._mischief.take(now, talking=self.is_talking)
            if self._resume_at != inf and fault in _NOT_WHILE_PAUSED:
                fault = None
            reaction = NOTHING if fault is None else self._misbehave(fault, now)
            self._wait(self._next)
            return reaction
        if now >= self._ask_at:
            return self._ask(now)
        if now < self._next or self._stalled_at is not None:
            self._wait(self._next)
            return NOTHING
        return super().tick(now)

    def _misbehave(self, fault: Fault, now: float) -> Reaction:
        self._tally.counts.faults[fault.value] += 1
        match fault:
            case Fault.DIE:
                return self._die(now, self._faults.die.away_s)
            case Fault.HANG_UP:
                return self._hang_up(now)
            case Fault.RESET:
                self._hang_up(now)
                return Reaction(action=Action.RESET)
            case Fault.STORM:
                self._cut()
                away_s = self._random.uniform(0.0, self._faults.storm.within_s)
                self._enter(Phase.OFF, now + away_s)
                return Reaction(action=Action.HANG_UP)
            case Fault.STALL:
                self._spoil()
                self._stalled_at = now
                return self._pause(now, self._faults.stall.for_s)
            case Fault.SLOW_READER:
                self._spoil()
                self._ask_at = now
                return self._pause(now, self._faults.slow_reader.for_s)
            case Fault.BAD_INPUT:
                self._spoil()
                kind = self._random.choice(self._faults.bad_input.kinds)
                self._tally.counts.bad_input[kind] += 1
                return Reaction(bad_bytes(kind, self._random, self.identity.audio_version))

    def _spoil(self) -> None:
        """What goes wrong on this connection from now on has a reason."""
        self.spoilt = True
        if self._exchange is not None:
            self._exchange.cut(self._tally)

    def _pause(self, now: float, for_s: tuple[float, float]) -> Reaction:
        self._resume_at = now + self._random.uniform(*for_s)
        return Reaction(action=Action.PAUSE)

    def _resume(self, now: float) -> Reaction:
        """Read again; the person has waited, too."""
        stalled_at = self._stalled_at
        self._forget_pause()
        if stalled_at is not None and self.is_talking:
            self._wait(self._next + now - stalled_at)
        else:
            self._wait(self._next)
        return Reaction(action=Action.RESUME)

    def _ask(self, now: float) -> Reaction:
        self._ask_at = now + ASK_EVERY_S
        self._wait(self._next)
        payload: dict[str, Any] = {"pad": "." * ASK_BYTES}
        return Reaction(self._say(Custom(payload, session_id=self._session_id)))

    def _forget_pause(self) -> None:
        self._resume_at = self._ask_at = inf
        self._stalled_at = None

    def _enter(self, phase: Phase, due: float) -> None:
        if phase in (Phase.OFF, Phase.DEAD):
            self._mischief.end()
            self._forget_pause()
        super()._enter(phase, due)

    def _greet(self, hello: ServerHello, now: float) -> Reaction:
        self._mischief.begin(now)
        return super()._greet(hello, now)

    def _wait(self, until: float) -> None:
        self._next = until
        if self._stalled_at is not None:
            self.due = min(self._resume_at, self._mischief.at)
        else:
            self.due = min(until, self._mischief.at, self._resume_at, self._ask_at)


def make_device(
    identity: Identity,
    habits: Habits,
    chance: Randomness,
    tally: Tally,
    *,
    first_due: float,
    faults: Faults,
    started: float,
) -> Device:
    """Return a device, a faulty one if its chance says so; `started` is when its fleet did."""
    mischief = mischief_of(faults, chance, started)
    if mischief is None:
        return Device(identity, habits, chance, tally, first_due=first_due)
    return FaultyDevice(
        identity,
        habits,
        chance,
        tally,
        first_due=first_due,
        faults=faults,
        mischief=mischief,
    )
