"""What is measured of a failure detector: how long it keeps the dead, how many living it ends.

Seeded: the same numbers each time.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.lifecycle.heartbeat import HeartbeatPolicy
from tools.detector_traces import HOUR_S
from tools.detector_trial import TALK_SHARE, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.detector_traces import Trace

DAY_S: Final = 24 * HOUR_S
FLEET: Final = 1_000
WARM_S: Final = 1_200.0
"""How long round trips are known before somebody dies."""

DIE_WITHIN_S: Final = 600.0
SAID_S: Final = (3.0, 30.0)
"""How long somebody has been speaking who dies in the middle of it."""

GONE_S: Final = 240.0
AFTERMATH_S: Final = 60.0
NO_MORE_THAN: Final = 3.0
"""What was not seen once in N days is rarer than 3 in N days, with 95 % confidence."""


class Detector(NamedTuple):
    """One way to judge. Without a policy it is the listing's."""

    name: str
    policy: HeartbeatPolicy | None

    @property
    def talk(self) -> float:
        """The share of the time its devices talk; frames are no life to the listing."""
        return TALK_SHARE if self.policy else 0.0


ADAPTIVE: Final = Detector("`adaptive`, 15 s", HeartbeatPolicy())
ADAPTIVE_30: Final = Detector("`adaptive`, 30 s", HeartbeatPolicy(interval_s=30.0))
SEED: Final = Detector("`seed`, 30 s", HeartbeatPolicy(preset="seed"))
SEED_15: Final = Detector("`seed`, 15 s", HeartbeatPolicy(preset="seed", interval_s=15.0))
LISTED: Final = Detector("fixed, 30 s / 90 s", None)
DETECTORS: Final = (ADAPTIVE, ADAPTIVE_30, SEED, SEED_15, LISTED)


def patient(least_s: float) -> Detector:
    """Return the default with another `probe_min_s`."""
    return Detector(f"{least_s:g} s", HeartbeatPolicy(probe_min_s=least_s))


class Mistakes(NamedTuple):
    """What came of a fleet in which nobody dies."""

    device_days: float
    idle: int
    in_talk: int
    suspicions: int
    masses: int
    pings: int
    stalls: int

    @property
    def pings_per_h(self) -> float:
        """Pings of one device in an hour."""
        return self.pings / (24 * self.device_days)

    @property
    def suspicions_per_day(self) -> float:
        """Suspicions of one device in a day."""
        return self.suspicions / self.device_days

    def per_1000_days(self, mistakes: int) -> float:
        """Return how many mistakes that is in a thousand device-days."""
        return 1_000 * mistakes / self.device_days

    @property
    def bound_per_1000_days(self) -> float:
        """What mistakes that never happened are rarer than, with 95 % confidence."""
        return self.per_1000_days(1) * NO_MORE_THAN


def mistakes(
    trace: Trace, detector: Detector, device_days: float, *, fleet: int = FLEET, run: int = 0
) -> Mistakes:
    """Have a fleet live for so many device-days in which nobody dies; other runs, other days."""
    name = f"{trace.name} life{f' {run}' if run else ''}"
    trial = Trial(trace, detector.policy, fleet, name, talk=detector.talk)
    found = trial.run(device_days / fleet * DAY_S)
    return Mistakes(
        device_days,
        found.mistakes - found.mistakes_in_talk,
        found.mistakes_in_talk,
        found.suspicions,
        found.masses,
        found.pings,
        found.stalls,
    )


def detection_s(
    trace: Trace, detector: Detector, deaths: int, *, talking: bool = False
) -> Sequence[float]:
    """Return, in order, how long after their last sign of life the dead were given up."""
    name = f"{trace.name} {'talk' if talking else 'idle'}"
    draw = Random(f"{name} deaths")  # noqa: S311 (it is to be repeated)
    trial = Trial(trace, detector.policy, deaths, name, talk=0.0)
    for device in trial.devices:
        at = WARM_S + draw.uniform(0.0, DIE_WITHIN_S)
        if talking:
            trial.talk(device, at, HOUR_S)
            at += draw.uniform(*SAID_S)
        trial.die(device, at)
    found = trial.run(WARM_S + DIE_WITHIN_S + SAID_S[1] + GONE_S)
    return sorted(found.detected_s)


class MassDeath(NamedTuple):
    """Half a fleet died: when the first and the last were judged, when half and all were reaped.

    In seconds after their last sign of life; `mistakes` are verdicts on the other half.
    """

    first_s: float
    last_s: float
    half_s: float
    all_s: float
    incidents: int
    mistakes: int


def mass_death(trace: Trace, detector: Detector, fleet: int = FLEET) -> MassDeath:
    """Have half of an idle fleet die at once."""
    trial = Trial(trace, detector.policy, fleet, f"{trace.name} mass", talk=0.0)
    for device in trial.devices[: fleet // 2]:
        trial.die(device, WARM_S)
    found = trial.run(WARM_S + 2 * GONE_S)
    reaped_s = sorted(found.reaped_s)
    if len(reaped_s) != fleet // 2:
        raise RuntimeError(f"{len(reaped_s)} of {fleet // 2} dead devices were given up")
    return MassDeath(
        min(found.detected_s),
        max(found.detected_s),
        reaped_s[len(reaped_s) // 2],
        reaped_s[-1],
        found.masses,
        found.mistakes,
    )


class AfterStall(NamedTuple):
    """What one stall of our own led to."""

    suspicions: int
    mistakes: int


def one_stall(trace: Trace, detector: Detector, for_s: float, fleet: int = FLEET) -> AfterStall:
    """Have our own loop be blocked once, while a tenth of the fleet talks."""
    trial = Trial(
        replace(trace, stalls_per_h=0.0),
        detector.policy,
        fleet,
        f"{trace.name} stall",
        talk=0.1 if detector.policy else 0.0,
    )
    before = trial.run(WARM_S)
    suspicions, mistakes = before.suspicions, before.mistakes
    trial.stall(WARM_S, for_s)
    after = trial.run(WARM_S + for_s + AFTERMATH_S)
    return AfterStall(after.suspicions - suspicions, after.mistakes - mistakes)
