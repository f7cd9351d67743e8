"""Tries the failure detector on a fleet in virtual time: the gateway's own judge, wheel and ticker.

What is simulated are pings, pongs, frames and what a network makes of them; no byte is parsed and
no session exists. `simulation` has the whole gateway, and is slower: a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

from keepline.gateway.ticker import Ticker
from keepline.lifecycle.breaker import SuspicionBreaker, longest_doubt_s
from keepline.lifecycle.heartbeat import Heartbeat, HeartbeatPolicy, Judge, Verdict
from keepline.lifecycle.wheel import TICK_S, TimingWheel
from keepline.monitor.metrics import Counters
from tools.detector_listed import ListedJudge
from tools.detector_traces import HOUR_S, Way

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from keepline.clock import Clock
    from keepline.gateway.ticker import Due
    from tools.detector_traces import Trace

TALK_S: Final = (4.0, 36.0)
TALK_SHARE: Final = 0.05
"""As `keepline simulate` has it by default."""

ARRIVE_WITHIN_S: Final = 20.0
AWAY_S: Final = 2.0
"""Who was given up by mistake is back after that, with a new connection."""

MOST_UNWELL: Final = 8  # as the gateway has it

PHASE_S: Final = 0.03
"""The ticker starts so much later than the wheel, as in life: each wait is rounded up twice."""


class _Clock:
    """Shows what it is set to."""

    def __init__(self, reading: float) -> None:
        self.reading = reading
        self.now: Callable[[], float] = lambda: self.reading


class _Turns:
    """What the ticker needs of a loop: turns, in which nothing else happens."""

    def __init__(self) -> None:
        self._ready: list[Callable[[], None]] = []

    def call_later(self, _: float, __: Callable[[], None]) -> None:
        """The trial itself says when it ticks."""

    def call_soon(self, call: Callable[[], None]) -> None:
        self._ready.append(call)

    def run(self) -> None:
        while self._ready:
            self._ready.pop(0)()


class Device:
    """One device, its way, and what we know of its heart."""

    __slots__ = (
        "heartbeat",
        "is_condemned",
        "is_here",
        "last_life",
        "lives_until",
        "transport",
        "trial",
        "way",
        "wheel_tick",
    )

    def __init__(self, trial: Trial, way: Way) -> None:
        self.trial = trial
        self.way = way
        self.heartbeat = Heartbeat(last_rx=0.0)
        self.wheel_tick = -1
        self.transport = cast("asyncio.Transport", None)  # bytes are not simulated
        self.is_here = False
        self.is_condemned = False
        self.lives_until = inf
        self.last_life = 0.0  # by the clock, when its last byte was there to be read

    def on_due(self, now: float) -> None:
        """As `Connection.on_due`."""
        self.trial.look(self, now)


@dataclass
class Figures:
    """What came of a trial. `detected_s` and `reaped_s` count from the last sign of life."""

    mistakes: int = 0
    mistakes_in_talk: int = 0
    suspicions: int = 0
    masses: int = 0
    pings: int = 0
    stalls: int = 0
    detected_s: list[float] = field(default_factory=list)
    reaped_s: list[float] = field(default_factory=list)


class Trial:
    """A fleet that lives from second 0 on and talks for `talk` of its time.

    A verdict on who lives is a mistake, also while the breaker holds it back.
    """

    def __init__(
        self,
        trace: Trace,
        policy: HeartbeatPolicy | None,
        devices: int,
        seed: str,
        *,
        talk: float = TALK_SHARE,
    ) -> None:
        self.figures = Figures()
        self._trace = trace
        self._random = random = Random(seed)  # noqa: S311 (it is to be repeated)
        self._pause_s = sum(TALK_S) / 2 * (1 / talk - 1) if talk else inf
        self._clock = _Clock(PHASE_S)
        self._counters = Counters()
        self._wheel: TimingWheel[Due] = TimingWheel(0.0)
        rules = policy or HeartbeatPolicy(preset="seed")
        self._breaker = SuspicionBreaker(0.0, longest_doubt_s(rules))
        # None: the listing's rules, which look like a judge's.
        self._judge = Judge(policy) if policy else cast("Judge", ListedJudge())
        self._streaming_s = rules.streaming_silence_s
        self._ticker = Ticker(
            self._wheel,
            cast("Clock", self._clock),
            self._counters,
            patience_s=rules.probe_min_s,
            on_stall=self._on_stall,
            on_fault=_raise,
        )
        self._turns = _Turns()
        self._ticker.start(cast("asyncio.AbstractEventLoop", self._turns))
        self._numbers = count()
        self._coming: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._settled_at = 0.0
        self._unwell = 0
        self._stalled = False
        self._here = 0
        self._stall_at, self._stall_s = self._drawn_stall(0.0)
        self.devices = [Device(self, Way(trace, random, 0.0)) for _ in range(devices)]
        for device in self.devices:
            self._at(random.uniform(0.0, ARRIVE_WITHIN_S), self._arrive, device)
            if talk:
                self._at(self._drawn_pause(), self._begin_talk, device)

    # -- time ------------------------------------------------------------------------------

    def run(self, until: float) -> Figures:
        """Go on until then, by the clock, and return what came of it so far."""
        clock = self._clock
        while clock.reading < until:
            tick_at = began = clock.reading + TICK_S
            if self._stall_at < began:
                began = self._stall_at
                tick_at = max(tick_at, began + self._stall_s)
                self._stall_at, self._stall_s = self._drawn_stall(tick_at)
            self._read(began)
            clock.reading = tick_at
            self._ticker.advance()
            self._turns.run()
            self._read(tick_at)  # what came while we were blocked: only now, the worst order
            clock.reading = tick_at
            if tick_at >= self._settled_at + 1.0:
                self._settled_at = tick_at
                self._each_second()
        self.figures.stalls = self._counters.loop_stalls
        return self.figures

    def _read(self, until: float) -> None:
        coming, clock = self._coming, self._clock
        while coming and coming[0][0] < until:
            when, _, call, arguments = heappop(coming)
            clock.reading = max(clock.reading, when)
            call(when, *arguments)

    def stall(self, at: float, for_s: float) -> None:
        """Be blocked for so long from then on."""
        self._stall_at, self._stall_s = at, for_s

    def _drawn_stall(self, now: float) -> tuple[float, float]:
        trace, random = self._trace, self._random
        if not trace.stalls_per_h:
            return inf, 0.0
        at = now + random.expovariate(trace.stalls_per_h / HOUR_S)
        return at, trace.stall.draw(random)

    def _at(self, when: float, call: Callable[..., object], *arguments: Any) -> None:
        heappush(self._coming, (when, next(self._numbers), call, arguments))

    def _each_second(self) -> None:
        """As `Upkeep.each_second`, what there is of it here."""
        self._breaker.settle(self._ticker.now)
        if self._stalled:
            self._unwell = min(MOST_UNWELL, self._unwell + 1)
        else:
            self._unwell = max(0, self._unwell - 1)
        self._stalled = False
        self._judge.stretch = 1.0 + self._unwell

    def _on_stall(self, _: float) -> None:
        self._stalled = True

    # -- what a device does ----------------------------------------------------------------

    def die(self, device: Device, at: float) -> None:
        """Have it be silent for good from then on."""
        device.lives_until = at
        self._at(at, self._fall_silent, device)

    def talk(self, device: Device, at: float, for_s: float) -> None:
        """Have it speak from then on, besides what it does of its own."""
        self._at(at, self._begin_talk, device, for_s)

    def _arrive(self, when: float, device: Device) -> None:
        if when >= device.lives_until:
            return
        now = self._ticker.now
        device.last_life = when
        self._here += 1
        device.is_here = True
        device.is_condemned = False
        device.heartbeat = Heartbeat(last_rx=now)
        self._wheel.arm(device, self._judge.first_due(device.heartbeat, now, self._random.random()))

    def _drawn_pause(self) -> float:
        return self._random.uniform(0.3, 1.7) * self._pause_s

    def _begin_talk(self, when: float, device: Device, for_s: float | None = None) -> None:
        if when >= device.lives_until:
            return
        if for_s is None:
            for_s = self._random.uniform(*TALK_S)
            self._at(when + for_s + self._drawn_pause(), self._begin_talk, device)
        heard_at = device.way.arrival(when, up=True)
        self._at(heard_at, self._hear_talk, device, device.heartbeat, when + for_s)

    def _hear_talk(self, when: float, device: Device, heartbeat: Heartbeat, until: float) -> None:
        if not self._hear(when, device, heartbeat):
            return
        device.way.speak(when)
        heartbeat.streaming = True
        self._wheel.arm_by(device, self._ticker.now + self._streaming_s)
        self._at(max(when, until), self._end_talk, device, heartbeat)

    def _end_talk(self, when: float, device: Device, heartbeat: Heartbeat) -> None:
        held_until = device.way.held_until(when)
        if held_until > when:
            self._at(held_until, self._end_talk, device, heartbeat)
        elif when < device.lives_until and self._hear(when, device, heartbeat):
            heartbeat.streaming = False

    def _fall_silent(self, when: float, device: Device) -> None:
        if device.heartbeat.streaming:
            self._listen(when, device)

    def _hear(
        self, when: float, device: Device, heartbeat: Heartbeat, payload: bytes = b""
    ) -> bool:
        """Something arrives: life of the connection that it was said on."""
        if not device.is_here or device.heartbeat is not heartbeat:
            return False
        heartbeat.last_rx = self._ticker.now
        device.last_life = when
        device.is_condemned = False
        if payload:
            heartbeat.receive_pong(payload, self._ticker.precise())
        return True

    def _listen(self, when: float, device: Device) -> None:
        """What came of a device that speaks all the time, worked out when it is asked for."""
        heard_at = device.way.last_heard(when)
        # Its last frame came in the tick before this one; a silence began when it did.
        heard = min(heard_at - self._ticker.stalled_s, self._ticker.now - TICK_S)
        device.last_life = max(device.last_life, heard_at)
        device.heartbeat.last_rx = max(device.heartbeat.last_rx, heard)

    # -- what a gateway does ---------------------------------------------------------------

    def look(self, device: Device, now: float) -> None:
        """As `Connection._look` and what it leads to."""
        if not device.is_here:
            return
        heartbeat, judge = device.heartbeat, self._judge
        reading = self._clock.reading
        lives = reading < device.lives_until
        if heartbeat.streaming and lives:
            self._listen(reading, device)
        u = self._random.random()
        again = judge.ask_again(heartbeat, now, u)
        if again is not None:
            self._ask(device, judge)
            self._ticker.expect(device)
            self._wheel.arm(device, again)
            return
        verdict, ping, due, became_suspicious = judge.look(heartbeat, now, u)
        if became_suspicious:
            self.figures.suspicions += lives
            self.figures.masses += self._breaker.note(now)
        if verdict is Verdict.ZOMBIE:
            self._on_zombie(device, now, due)
            return
        if ping:
            self._ask(device, judge)
        self._wheel.arm(device, due)

    def _ask(self, device: Device, judge: Judge) -> None:
        self.figures.pings += 1
        self._ping(device, judge.ping_payload(device.heartbeat, self._ticker.precise()))

    def _ping(self, device: Device, payload: bytes) -> None:
        way = device.way
        asked_at = way.arrival(self._clock.reading, up=False)
        if asked_at < device.lives_until:
            answered_at = way.arrival(asked_at, up=True)
            self._at(answered_at, self._hear, device, device.heartbeat, payload)

    def _on_zombie(self, device: Device, now: float, due: float) -> None:
        figures, reading = self.figures, self._clock.reading
        lives = reading < device.lives_until
        if not device.is_condemned:
            device.is_condemned = True
            if lives:
                figures.mistakes += 1
                figures.mistakes_in_talk += device.heartbeat.streaming
            else:
                figures.detected_s.append(reading - device.last_life)
        if not self._breaker.may_reap(now, self._here):
            self._wheel.arm(device, due)
            return
        self._here -= 1
        device.is_here = False
        if lives:
            self._at(reading + AWAY_S, self._arrive, device)
        else:
            figures.reaped_s.append(reading - device.last_life)


def _raise(_: Due, error: Exception) -> None:
    raise error
