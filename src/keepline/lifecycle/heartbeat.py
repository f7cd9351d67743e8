"""What is known of one connection's heart, and the one judge over all of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal, NamedTuple

from annotated_types import Ge, Gt, Le
from msgspec import Struct

from keepline.lifecycle.wheel import TICK_S

_ID_BYTES: Final = 4
_ID_MASK: Final = (1 << 8 * _ID_BYTES) - 1


class Verdict(StrEnum):
    """What the judge thinks of a connection."""

    HEALTHY = "healthy"
    SUSPICIOUS = "suspicious"
    ZOMBIE = "zombie"


_HEALTHY: Final = Verdict.HEALTHY  # an enum's own look-up is slow in Python 3.11

# Stages of a heartbeat: how many pings in a row have found no answer so far.
FIRST: Final = -1  # nothing asked yet; `asked_at` is when the first ping is due
ANSWERED: Final = 0
ASKED: Final = 1
SUSPECTED: Final = 2  # and above: one more for each confirming probe
CONDEMNED: Final = 9

# How a peer is asked. To probe is to send a request of the application's own that it must answer.
PINGED: Final = 0
LEARNING: Final = 1  # pinged; when that finds no pong, probed besides, until one of the two does
PROBED: Final = 2
MUTE: Final = 3  # pinged so that its kernel has something to acknowledge; it answers nothing

UNPONGED_BEFORE_PROBES: Final = 1

# How long each ping of a round may wait for an answer, in P: the first, then the confirming ones.
IDLE_WAITS: Final = (1.0, 1.0, 1.5, 2.0)
STREAMING_WAITS: Final = (1.0, 1.0)

# A probe is answered by the device's main task, which a tool (a photo) may keep for seconds; a pong
# comes from the task that reads the socket. So it is given so many times the patience.
PROBED_PATIENCE: Final = 4

# So many times for first pings lie in the half of an interval over which they are spread.
FIRST_DUES: Final = 64

# A condemned connection that may not be reaped yet is looked at again after this.
_HELD_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class HeartbeatPolicy:
    """How silence is judged. Settings section `heartbeat`; times in seconds.

    `seed` pings every interval and knows two ages of silence, suspicious_s and zombie_s.
    `adaptive` pings only the silent and learns from their round trips how long to wait; a peer
    that has never answered is judged by the two ages there too, and zombie_s is the most that
    anybody's silence may last, but for those that a profile leaves to the kernel.
    """

    preset: Literal["adaptive", "seed"] = "adaptive"
    # None: 15 (adaptive), 30 (seed)
    interval_s: Annotated[float, Ge(1), Le(31_536_000)] | None = None
    suspicious_s: Annotated[float, Gt(0), Le(31_536_000)] = 60.0
    zombie_s: Annotated[float, Gt(0), Le(31_536_000)] = 90.0
    probe_min_s: Annotated[float, Ge(0.2), Le(31_536_000)] = 1.0
    probe_max_s: Annotated[float, Gt(0), Le(31_536_000)] = 10.0
    streaming_silence_s: Annotated[float, Ge(0.2), Le(31_536_000)] = 0.6
    jitter: Annotated[float, Ge(0), Le(0.5)] = 0.05  # share of the interval, to either side

    def __post_init__(self) -> None:
        """Raise ValueError when two settings contradict each other."""
        if self.suspicious_s <= self.ping_every_s:
            raise ValueError(
                f"suspicious_s must exceed interval_s ({self.ping_every_s:g}),"
                f" not be {self.suspicious_s:g}"
            )
        if self.zombie_s <= self.suspicious_s:
            raise ValueError(
                f"zombie_s must exceed suspicious_s ({self.suspicious_s:g}),"
                f" not be {self.zombie_s:g}"
            )
        if self.probe_max_s < self.probe_min_s:
            raise ValueError(
                f"probe_max_s must be at least probe_min_s ({self.probe_min_s:g}),"
                f" not {self.probe_max_s:g}"
            )
        if self.streaming_silence_s >= self.ping_every_s:
            raise ValueError(
                f"streaming_silence_s must be below interval_s ({self.ping_every_s:g}),"
                f" not {self.streaming_silence_s:g}"
            )

    @property
    def ping_every_s(self) -> float:
        """The interval that holds: `interval_s`, or the preset's own."""
        if self.interval_s is not None:
            return self.interval_s
        return 15.0 if self.preset == "adaptive" else 30.0

    @property
    def verdict_s(self) -> float:
        """How long after its last byte an idle device is given up, one that answers quickly."""
        if self.preset == "seed":
            return self.zombie_s
        return self.ping_every_s + sum(IDLE_WAITS) * self.probe_min_s


class RoundTrips(NamedTuple):
    """What the pongs of one connection have told, in seconds; `mean` is that of all of them."""

    smoothed: float
    deviation: float
    shortest: float
    latest: float
    mean: float


# Five floats of their own would cost a connection 200 bytes, packed they cost 64. The machine's own
# order of bytes is the quickest, and nobody else reads them.
_PACKING: Final = struct.Struct("5f")
_pack: Final = _PACKING.pack
_unpack: Final = _PACKING.unpack


class Heartbeat(Struct, eq=False, gc=False):
    """The heart of one connection.

    `last_rx` is set by the shell to the ticker's `now` whenever bytes arrive, `streaming` while
    audio should be flowing, `means` (see `means_of_asking`) at the hello. `asked_at` is the
    ticker's time of the latest ping, `sent_at` its precise time while its pong is awaited.
    `unponged` counts pings without their pong, `failures` those that brought no sign of life at
    all in time.
    """

    last_rx: float
    asked_at: float = 0.0
    sent_at: float | None = None
    stage: int = FIRST
    streaming: bool = False
    means: int = PINGED
    pings: int = 0
    unponged: int = 0
    failures: int = 0
    packed: bytes = b""

    @property
    def verdict(self) -> Verdict:
        """What the judge said last, unless life has come since."""
        if self.stage < SUSPECTED or self.last_rx >= self.asked_at:
            return Verdict.HEALTHY
        return Verdict.ZOMBIE if self.stage == CONDEMNED else Verdict.SUSPICIOUS

    @property
    def pongs(self) -> int:
        """How many pings were answered by their pong while it was awaited."""
        return self.pings - self.unponged

    @property
    def round_trips(self) -> RoundTrips | None:
        """Smoothed, deviation, shortest, latest and mean; None before the first pong."""
        return RoundTrips._make(_unpack(self.packed)) if self.packed else None

    @property
    def average_rtt_s(self) -> float | None:
        """The true mean over all pongs, None before the first."""
        round_trips = self.round_trips
        return round_trips.mean if round_trips else None

    def receive_pong(self, payload: bytes, now_precise: float) -> float | None:
        """Return the round trip in seconds, None for a pong that is late, unasked or foreign."""
        sent_at = self.sent_at
        pings = self.pings
        if sent_at is None or payload != (pings & _ID_MASK).to_bytes(_ID_BYTES):
            return None
        self.sent_at = None
        self.unponged = unponged = self.unponged - 1
        if self.means == LEARNING:
            self.means = PINGED
        rtt_s = now_precise - sent_at
        if rtt_s < 0.0:  # noqa: PLR1730 (no call; a stall was taken off in between)
            rtt_s = 0.0
        if not self.packed:
            self.packed = _pack(rtt_s, rtt_s / 2, rtt_s, rtt_s, rtt_s)
            return rtt_s
        # Jacobson and Karels 1988, RFC 6298 §2.3: the deviation from the old mean.
        smoothed, deviation, shortest, _, mean = _unpack(self.packed)
        error = rtt_s - smoothed
        self.packed = _pack(
            smoothed + error / 8,
            deviation + ((error if error > 0.0 else -error) - deviation) / 4,
            shortest if shortest < rtt_s else rtt_s,  # noqa: FURB136 (no call)
            rtt_s,
            mean + (rtt_s - mean) / (pings - unponged),
        )
        return rtt_s

    def receive_answer(self, number: int, now_precise: float) -> float | None:
        """As `receive_pong`, for the answer to the probe that carried `number`."""
        if self.means not in {LEARNING, PROBED} or number >> 8 * _ID_BYTES:
            return None
        rtt_s = self.receive_pong(number.to_bytes(_ID_BYTES), now_precise)
        if rtt_s is not None:
            self.means = PROBED
        return rtt_s

    @property
    def is_pinged(self) -> bool:
        """Whether who asks now sends a ping."""
        return self.means != PROBED

    @property
    def is_probed(self) -> bool:
        """Whether who asks now, the ping counted, sends a probe."""
        if self.means == LEARNING:  # which means that no ping was ever ponged
            return self.unponged > UNPONGED_BEFORE_PROBES
        return self.means == PROBED

    def patience_s(self, least_s: float, most_s: float) -> float:
        """P: how long an answer may take, judged by the round trips seen so far."""
        if not self.packed:
            return least_s
        smoothed, deviation, _, _, _ = _unpack(self.packed)
        patience_s: float = smoothed + 4 * deviation
        return min(max(patience_s, least_s), most_s)

    def lengthen_patience(self, to_s: float) -> None:
        """Have `patience_s` be at least `to_s` until round trips bring it down again."""
        if self.packed:
            smoothed, deviation, *rest = _unpack(self.packed)
            self.packed = _pack(smoothed, max(deviation, (to_s - smoothed) / 4), *rest)


def means_of_asking(*, never_pongs: bool, answers_probes: bool, kernel_judges: bool) -> int:
    """Return how a peer is to be asked, from what its profile and its hello say.

    `kernel_judges` when the kernel gives up on a peer that does not acknowledge.
    """
    if answers_probes:
        return PROBED if never_pongs else LEARNING
    return MUTE if never_pongs and kernel_judges else PINGED


class Look(NamedTuple):
    """One look at a heart: what to do now, and `due`, when to look again."""

    verdict: Verdict
    ping: bool
    due: float
    became_suspicious: bool


class Judge:
    """Decides for every connection of a node when to ping and whom to give up.

    `stretch` (1 to 9) lengthens every wait for an answer while our own loop is unwell.
    """

    __slots__ = (
        "_adaptive",
        "_first_dues",
        "_interval_s",
        "_probe_answer_min_s",
        "_probe_max_s",
        "_probe_min_s",
        "_quiet_s",
        "_spread_s",
        "_streaming_s",
        "_suspicious_s",
        "_zombie_s",
        "stretch",
    )

    def __init__(self, policy: HeartbeatPolicy) -> None:
        self._adaptive = policy.preset == "adaptive"
        self._interval_s = policy.ping_every_s
        self._suspicious_s = policy.suspicious_s
        self._zombie_s = policy.zombie_s
        self._probe_min_s = policy.probe_min_s
        self._probe_max_s = policy.probe_max_s
        self._probe_answer_min_s = min(PROBED_PATIENCE * policy.probe_min_s, policy.probe_max_s)
        self._streaming_s = policy.streaming_silence_s
        self.stretch = 1.0
        # Shared by all who begin together: an own time would be gone with the first ping, and leave
        # a hole of its size in each session's memory.
        self._first_dues = [0.0] * FIRST_DUES
        # The wheel rounds this ping and every wait after it up to its tick. An idle ping leaves
        # that much before the interval is over, so that the worst case stays I + 5.5P.
        latest_s = self._interval_s - (1 + len(IDLE_WAITS)) * TICK_S
        self._quiet_s = latest_s * (1 - policy.jitter) / (1 + policy.jitter)
        self._spread_s = latest_s - self._quiet_s

    def first_due(self, hb: Heartbeat, now: float, u: float) -> float:
        """Return when the first ping is due: spread over the second half of the interval.

        `u` is random in [0, 1). The seed's first ping comes after exactly one interval.
        """
        interval_s = self._interval_s
        if not self._adaptive:
            hb.asked_at = now + interval_s
            return hb.asked_at
        step_s = interval_s / 2 / FIRST_DUES
        number = int((now + interval_s * (1 + u) / 2) / step_s)
        due, dues = number * step_s, self._first_dues
        if dues[number % FIRST_DUES] != due:
            dues[number % FIRST_DUES] = due
        hb.asked_at = dues[number % FIRST_DUES]
        return hb.asked_at

    def look(self, hb: Heartbeat, now: float, u: float) -> Look:
        """Judge the silence of `hb` at `now`; an early look is harmless, a late one is lenient.

        The shell sends a ping at once (`ping_payload`), carries a ZOMBIE out when the breaker
        lets it, and looks again at `due`; it also looks when `streaming` begins. `u` is random
        in [0, 1).
        """
        stage = hb.stage
        if stage != ANSWERED:
            if stage == FIRST:
                return self._look_first(hb, now)
            if hb.last_rx < hb.asked_at:
                if hb.means == MUTE:
                    return self._look_at_mute(hb, now)
                if self._adaptive and hb.packed:
                    return self._look_by_patience(hb, now)
                return self._look_by_age(hb, now)
            if stage >= SUSPECTED:
                self._doubt_patience(hb)
            hb.stage = ANSWERED
        if not self._adaptive:
            due = hb.asked_at + self._interval_s
            if now < due:
                return Look(_HEALTHY, False, due, False)
        elif hb.streaming:
            due = hb.last_rx + self._streaming_s
            if now < due:
                return Look(_HEALTHY, False, due, False)
        else:
            earliest = hb.last_rx + self._quiet_s
            if now < earliest:
                return Look(_HEALTHY, False, earliest + self._spread_s * u, False)
        return self._ask(hb, now)

    def hasten(self, hb: Heartbeat, now: float) -> bool:
        """Have `hb` be asked at the next look; False when it is asked or streaming already."""
        if hb.streaming or (hb.stage != FIRST and hb.last_rx < hb.asked_at):
            return False
        hb.stage = FIRST
        hb.asked_at = now
        return True

    def ask_again(self, hb: Heartbeat, now: float, u: float) -> float | None:
        """Ask a calm peer whose time it is, and return when it is next, should it answer.

        That is what nearly every look comes to, with `look`'s two turns made one: the shell sends
        the ping, and looks again only at those of whom nothing comes within `probe_min_s`. None,
        and nothing done, when `look` has to judge.
        """
        stage = hb.stage
        if stage == ANSWERED or (stage == ASKED and hb.last_rx >= hb.asked_at):
            due = hb.last_rx + self._quiet_s
        elif stage == FIRST:
            due = hb.asked_at
        else:
            return None
        if now < due or hb.streaming or hb.means == MUTE or not self._adaptive:
            return None
        hb.stage = ASKED
        hb.asked_at = now
        return now + self._quiet_s + self._spread_s * u

    def ping_payload(self, hb: Heartbeat, now_precise: float) -> bytes:
        """Count a ping and return its id, 4 bytes: only the pong with it gives a round trip.

        A probe counts as a ping; its number is `hb.pings`.
        """
        hb.pings = pings = hb.pings + 1
        hb.unponged += 1
        hb.sent_at = now_precise
        return (pings & _ID_MASK).to_bytes(_ID_BYTES)

    def _patience_s(self, hb: Heartbeat) -> float:
        least_s = self._probe_answer_min_s if hb.means == PROBED else self._probe_min_s
        return hb.patience_s(least_s, self._probe_max_s)

    def _look_first(self, hb: Heartbeat, now: float) -> Look:
        # A device that begins to stream is asked at once: whether it pongs, and how fast, must be
        # known before its silence can be judged within seconds.
        if now < hb.asked_at and not (hb.streaming and self._adaptive):
            return Look(Verdict.HEALTHY, False, hb.asked_at, False)
        return self._ask(hb, now)

    def _ask(self, hb: Heartbeat, now: float) -> Look:
        hb.stage = ASKED
        hb.asked_at = now
        if hb.means == MUTE:
            return Look(_HEALTHY, True, now + self._interval_s, False)
        if self._adaptive:
            # How long the answer may really take is worked out only if it has not come by then.
            return Look(_HEALTHY, True, now + self._probe_min_s, False)
        due = min(now + self._interval_s, hb.last_rx + self._suspicious_s)
        return Look(_HEALTHY, True, due, False)

    def _look_by_patience(self, hb: Heartbeat, now: float) -> Look:
        """Unanswered by a peer that is known to answer: each ask is given its own time."""
        waits = STREAMING_WAITS if hb.streaming and hb.means != PROBED else IDLE_WAITS
        stage = hb.stage
        patience_s = self._patience_s(hb) * self.stretch
        bound = hb.last_rx + self._zombie_s
        due = min(hb.asked_at + waits[min(stage, len(waits)) - 1] * patience_s, bound)
        if stage == CONDEMNED or now >= bound or (now >= due and stage >= len(waits)):
            return self._condemn(hb, now)
        if now < due:
            return Look(hb.verdict, False, due, False)
        hb.stage = stage + 1
        hb.failures += 1
        hb.asked_at = now
        due = min(now + waits[stage] * patience_s, bound)
        return Look(Verdict.SUSPICIOUS, True, due, stage == ASKED)

    def _look_by_age(self, hb: Heartbeat, now: float) -> Look:
        """Unanswered under the seed's rules: a ping every interval, two ages of silence."""
        if now >= hb.last_rx + self._zombie_s or hb.stage == CONDEMNED:
            return self._condemn(hb, now)
        became_suspicious = hb.stage == ASKED and now >= hb.last_rx + self._suspicious_s
        if became_suspicious:
            hb.stage = SUSPECTED
            hb.failures += 1
        ping = became_suspicious or now >= hb.asked_at + self._interval_s
        if ping:
            hb.asked_at = now
        next_age_s = self._suspicious_s if hb.stage == ASKED else self._zombie_s
        due = min(hb.asked_at + self._interval_s, hb.last_rx + next_age_s)
        return Look(hb.verdict, ping, due, became_suspicious)

    def _look_at_mute(self, hb: Heartbeat, now: float) -> Look:
        """Silence proves nothing here; who is gone does not acknowledge the pings."""
        if now < hb.asked_at + self._interval_s:
            return Look(_HEALTHY, False, hb.asked_at + self._interval_s, False)
        return self._ask(hb, now)

    def _condemn(self, hb: Heartbeat, now: float) -> Look:
        became_suspicious = hb.stage < SUSPECTED
        if hb.stage != CONDEMNED:
            hb.stage = CONDEMNED
            hb.failures += 1
        return Look(Verdict.ZOMBIE, False, now + _HELD_S, became_suspicious)

    def _doubt_patience(self, hb: Heartbeat) -> None:
        """A suspect lives: wait twice as long from now on, until round trips say otherwise.

        Karn 1987: a late answer gives no round trip, so without this a peer that has become slow
        would be suspected for ever.
        """
        hb.lengthen_patience(2 * self._patience_s(hb))
