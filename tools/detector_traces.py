"""Networks to try the failure detector on: how long what is sent takes, when nothing gets through.

A trace is drawn lazily, in the order of its time: nothing is drawn for a span that nobody asks of.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from random import Random

HOUR_S: Final = 3_600.0
LONGEST_RETRY_S: Final = 60.0
FRAMES_PER_S: Final = 1 / 0.06
REPAIRED_S: Final = 0.3
"""A segment that others follow is sent again when three of them were acknowledged."""

_REMEMBERED: Final = 12


class Lengths(NamedTuple):
    """How long something lasts: evenly between two lengths, or a Pareto tail that is cut off."""

    least_s: float
    most_s: float
    tail: float | None = None

    def draw(self, random: Random) -> float:
        """Return one length."""
        if self.tail is None:
            return random.uniform(self.least_s, self.most_s)
        return min(self.most_s, self.least_s * random.paretovariate(self.tail))


NEVER: Final = Lengths(0.0, 0.0)


class Jitter(NamedTuple):
    """What a segment takes more than the least: lognormal, cut off."""

    median_s: float
    sigma: float
    most_s: float

    def draw(self, random: Random) -> float:
        """Return what one segment takes more."""
        return min(self.most_s, random.lognormvariate(log(self.median_s), self.sigma))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One network, and what our own loop does meanwhile. Each way has its own draws.

    One way takes `delay_s` evenly, and `jitter` more; to the device it waits for up to `nap_s`
    besides. In a gap nothing gets through: it is held until the gap's end, or, when a gap `loses`,
    sent again as what is lost: after `retry_s` (to the device, from it), then after twice that.
    """

    name: str
    told: str
    delay_s: tuple[float, float]
    jitter: Jitter | None = None
    nap_s: float = 0.0
    gaps_per_h: float = 0.0
    gap: Lengths = NEVER
    loses: bool = False
    loss: float = 0.0
    bad_loss: float = 0.0
    bad_every_s: float = inf
    bad: Lengths = NEVER
    retry_s: tuple[float, float] = (0.2, 1.5)
    stalls_per_h: float = 0.0
    stall: Lengths = NEVER


QUIET: Final = Trace(name="quiet", told="1 to 5 ms one way", delay_s=(0.001, 0.005))
JITTERY: Final = Trace(
    name="jittery",
    told="15 ms one way and lognormal jitter (median 3 ms, p99 250 ms, at most 1 s); 6 times an"
    " hour the radio holds everything up: Pareto from 0.25 s, exponent 1.5, at most 5 s",
    delay_s=(0.015, 0.015),
    jitter=Jitter(0.003, 1.9, 1.0),
    gaps_per_h=6.0,
    gap=Lengths(0.25, 5.0, 1.5),
)
LOSSY: Final = Trace(
    name="lossy",
    told="20 to 40 ms; Gilbert-Elliott: 0.2 % of segments lost, every 100 s 20 % for 1 to 5 s",
    delay_s=(0.02, 0.04),
    loss=0.002,
    bad_loss=0.2,
    bad_every_s=100.0,
    bad=Lengths(1.0, 5.0),
)
NAPS: Final = Trace(
    name="naps",
    told="2 to 10 ms, and the device's radio listens every 1.02 s only (10 beacons)",
    delay_s=(0.002, 0.010),
    nap_s=1.024,
)
STALLING: Final = Trace(
    name="stalling",
    told="1 to 5 ms; our own loop is blocked 12 times an hour, Pareto from 0.1 s with exponent 0.7,"
    " at most 5 s",
    delay_s=(0.001, 0.005),
    stalls_per_h=12.0,
    stall=Lengths(0.1, 5.0, 0.7),
)
CUT: Final = Trace(
    name="cut",
    told="20 to 40 ms; once an hour all is lost for 2 to 10 s",
    delay_s=(0.02, 0.04),
    gaps_per_h=1.0,
    gap=Lengths(2.0, 10.0),
    loses=True,
)
TRACES: Final = (QUIET, JITTERY, LOSSY, NAPS, STALLING, CUT)


class Spans:
    """Spans of time that come at random; asked of about the present, in nearly any order."""

    __slots__ = ("_begin", "_end", "_every_s", "_length", "_past", "_random")

    def __init__(self, every_s: float, length: Lengths, random: Random, now: float) -> None:
        self._every_s = every_s
        self._length = length
        self._random = random
        self._past: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._begin = self._end = now
        self._draw()

    def _draw(self) -> None:
        self._begin = self._end + self._random.expovariate(1 / self._every_s)
        self._end = self._begin + self._length.draw(self._random)

    def after(self, at: float) -> tuple[float, float]:
        """Return when the first span begins and ends that is not over at `at`."""
        while self._end <= at:
            self._past.append((self._begin, self._end))
            self._draw()
        found = (self._begin, self._end)
        for span in reversed(self._past):
            if span[1] <= at:
                break
            found = span
        return found

    def end_of(self, at: float) -> float | None:
        """Return when the span ends in which `at` lies; None outside of all."""
        begin, end = self.after(at)
        return end if begin <= at else None


class Way:
    """The way between one device and us, both directions: in order, as TCP is."""

    __slots__ = ("_arrived", "_bad", "_gaps", "_random", "_silence", "_trace")

    def __init__(self, trace: Trace, random: Random, now: float) -> None:
        self._trace = trace
        self._random = random
        self._gaps = (
            Spans(HOUR_S / trace.gaps_per_h, trace.gap, random, now) if trace.gaps_per_h else None
        )
        self._bad = Spans(trace.bad_every_s, trace.bad, random, now) if trace.bad_loss else None
        self._arrived = [now, now]
        self._silence = (now, now)

    def arrival(self, at: float, *, up: bool) -> float:
        """Return when what is sent at `at` arrives: at us (`up`), or at the device."""
        trace, random = self._trace, self._random
        low, high = trace.delay_s
        takes_s = low + (high - low) * random.random()
        if trace.jitter is not None:
            takes_s += trace.jitter.draw(random)
        if not up and trace.nap_s:
            takes_s += random.random() * trace.nap_s
        if self._gaps is not None or trace.loss:
            at = self._gets_through(at, trace.retry_s[up])
        if up and self._silence[0] <= at < self._silence[1]:
            at = self._silence[1]  # it comes behind what is held up
        arrived = max(self._arrived[up], at + takes_s)
        self._arrived[up] = arrived
        return arrived

    def last_heard(self, now: float) -> float:
        """Return when the last frame came of a device that speaks all the time, at `now`."""
        while self._silence[1] <= now:
            begins, ends = self._next_silence(self._silence[1], now)
            if begins > now:  # it has no memory: what comes later is drawn when it is asked of
                self._silence = (now, now)
                return now
            self._silence = (begins, ends)
        return self._silence[0]

    def held_until(self, now: float) -> float:
        """Return until when what a device says at `now` is held up; `now` when it is not."""
        return now if self.last_heard(now) == now else self._silence[1]

    def speak(self, now: float) -> None:
        """The device begins to speak: what was lost before does not matter."""
        self._silence = (now, now)

    def _gets_through(self, at: float, retry_s: float) -> float:
        """Return when it is sent the time that it is not lost."""
        while True:
            gap_ends = self._gaps.end_of(at) if self._gaps is not None else None
            if gap_ends is not None and not self._trace.loses:
                return gap_ends
            if gap_ends is None and self._random.random() >= self._loss(at):
                return at
            at += retry_s
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _loss(self, at: float) -> float:
        bad = self._bad is not None and self._bad.end_of(at) is not None
        return self._trace.bad_loss if bad else self._trace.loss

    def _next_silence(self, since: float, now: float) -> tuple[float, float]:
        """Return from when to when a frame is lost or held up next; what is after `now` is void."""
        lost_at = self._next_loss(since, now)
        if self._gaps is not None:
            begins, ends = self._gaps.after(since)
            begins = max(begins, since)
            if begins <= min(lost_at, now):
                if self._trace.loses:
                    ends = self._gets_through(begins, self._trace.retry_s[True])
                return begins, ends
        if lost_at > now:
            return lost_at, lost_at
        repaired_at = lost_at + REPAIRED_S
        if self._gets_through(repaired_at, LONGEST_RETRY_S) > repaired_at:
            retry_s = self._trace.retry_s[True]
            repaired_at = self._gets_through(lost_at + retry_s, 2 * retry_s)
        return lost_at, repaired_at

    def _next_loss(self, since: float, now: float) -> float:
        """Return when a frame is lost next; infinite when not until `now`."""
        trace, at = self._trace, since
        while trace.loss and at <= now:
            begins, ends = (inf, inf) if self._bad is None else self._bad.after(at)
            share, until = (trace.bad_loss, ends) if begins <= at else (trace.loss, begins)
            lost_at = at + self._random.expovariate(FRAMES_PER_S * share)
            if lost_at < until:
                return lost_at
            at = until
        return inf
