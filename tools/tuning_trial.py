"""Tries learned intervals on routers that forget: how many pings, and who is lost by them.

`python -m tools.tuning_trial` prints the table of docs/tuning.md. Time is virtual; judge and tuner
are the gateway's own.
"""

from __future__ import annotations

import argparse
import sys
from heapq import heappop, heappush
from itertools import count
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.gateway.tuning.tuner import Tuner
from keepline.lifecycle.heartbeat import Heartbeat, HeartbeatPolicy, Judge, Verdict
from keepline.lifecycle.profile import BROWSER, STOCK, Profile
from keepline.lifecycle.wheel import TICK_S
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_S: Final = 86_400.0
FORGETS_S: Final = (30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1_800.0, 7_440.0, DAY_S)
"""After how long a silence each router has forgotten a connection: RFC 5382 asks for 7,440 s."""

TALKS_PER_DAY: Final = 10
POWER_CUTS_PER_DAY: Final = 0.5
OFF_S: Final = 3_600.0
BACK_S: Final = (5.0, 60.0)
RTT_S: Final = (0.02, 0.3)

TALK, LOOK, OFF, BACK = range(4)


class Way(NamedTuple):
    """How a fleet is pinged; learned where a verdict may come as late as `verdict_s`."""

    name: str
    policy: HeartbeatPolicy
    verdict_s: float | None = None
    profile: Profile = STOCK


POLICY: Final = HeartbeatPolicy()

SEED_30: Final = Way("every 30 s (seed)", HeartbeatPolicy(preset="seed"))
FIXED_30: Final = Way("when silent for 30 s", HeartbeatPolicy(interval_s=30.0))
FIXED_15: Final = Way("when silent for 15 s", POLICY)
LEARNED: Final = Way("learned, stock firmware", POLICY, 120.0)
LEARNED_OWN: Final = Way("learned, own firmware", POLICY, 310.0, BROWSER)
WAYS: Final = (SEED_30, FIXED_30, FIXED_15, LEARNED, LEARNED_OWN)


class Outcome(NamedTuple):
    """Of one router and day: pings, and connections that its forgetting has ended."""

    pings: int
    lost: int


class _Device:
    """One connection after the other of one device."""

    def __init__(self, address: str, profile: Profile) -> None:
        self.address = address
        self.profile = profile
        self.is_on = True
        self.connect(0.0)

    def connect(self, now: float) -> None:
        self.heartbeat = Heartbeat(last_rx=now)
        self.last_activity = self.last_sent = self.last_packet = now


class Fleet:
    """Some devices behind each router, in one gateway; `outcomes` are by router and day."""

    def __init__(self, way: Way, *, devices: int, days: int, seed: str) -> None:
        self.days = days
        self._random = Random(seed)  # noqa: S311 (it is to be repeated)
        self._judge = Judge(way.policy)
        self._tuner = None
        if way.verdict_s is not None:
            self._tuner = Tuner(way.policy, self._judge, way.verdict_s)
        self._events: list[tuple[float, int, int, _Device, Heartbeat]] = []
        self._numbers = count()
        self._forgets = {f"192.0.2.{n}": forgets_s for n, forgets_s in enumerate(FORGETS_S)}
        self.outcomes = {each: [Outcome(0, 0)] * days for each in self._forgets}
        for address in self._forgets:
            for _ in range(devices):
                device = _Device(address, way.profile)
                self._at(60 * self._random.random(), BACK, device)
                self._soon(0.0, TALK, device)
                self._soon(0.0, OFF, device)

    def run(self) -> None:
        """Play all days."""
        do: dict[int, Callable[[float, _Device], None]] = {
            TALK: self._talk,
            LOOK: self._look,
            OFF: self._off,
            BACK: self._begin,
        }
        while self._events[0][0] < self.days * DAY_S:
            now, _, what, device, heartbeat = heappop(self._events)
            if what != LOOK or heartbeat is device.heartbeat:
                do[what](now, device)

    def _at(self, when: float, what: int, device: _Device) -> None:
        heappush(self._events, (when, next(self._numbers), what, device, device.heartbeat))

    def _soon(self, now: float, what: int, device: _Device) -> None:
        per_day = TALKS_PER_DAY if what == TALK else POWER_CUTS_PER_DAY
        self._at(now + self._random.expovariate(per_day / DAY_S), what, device)

    def _count(self, now: float, device: _Device, *, lost: int = 0, pings: int = 0) -> None:
        days, day = self.outcomes[device.address], int(now // DAY_S)
        if day < self.days:
            days[day] = Outcome(days[day].pings + pings, days[day].lost + lost)

    def _is_open(self, now: float, device: _Device) -> bool:
        return device.is_on and now - device.last_packet <= self._forgets[device.address]

    def _begin(self, now: float, device: _Device) -> None:
        device.is_on = True
        device.connect(now)
        self._look_at(self._judge.first_due(device.heartbeat, now, self._random.random()), device)

    def _off(self, now: float, device: _Device) -> None:
        """The power is cut: nobody says so."""
        device.is_on = False
        self._soon(now + OFF_S, OFF, device)

    def _talk(self, now: float, device: _Device) -> None:
        """Its user speaks, and is answered."""
        self._soon(now, TALK, device)
        if self._is_open(now, device):
            device.heartbeat.last_rx = device.last_packet = now
            device.last_activity = device.last_sent = now

    def _look(self, now: float, device: _Device) -> None:
        """As `gateway/connection.py` looks at its heart."""
        heartbeat, judge, u = device.heartbeat, self._judge, self._random.random()
        if self._tuner is not None:
            judge = self._tuner.judge_of(device, now)
        due = judge.ask_again(heartbeat, now, u)
        if due is None:
            verdict, ping, due, _ = judge.look(heartbeat, now, u)
            if verdict is Verdict.ZOMBIE:
                self._lose(now, device)
                return
            if ping:
                self._ping(now, device)
        elif not self._ping(now, device):
            due = now + POLICY.probe_min_s
        self._look_at(due, device)

    def _ping(self, now: float, device: _Device) -> bool:
        """Return whether it is answered."""
        self._count(now, device, pings=1)
        heartbeat = device.heartbeat
        payload = self._judge.ping_payload(heartbeat, now)
        if not self._is_open(now, device):
            return False
        answered_at = now + self._random.uniform(*RTT_S)
        heartbeat.receive_pong(payload, answered_at)
        heartbeat.last_rx = device.last_packet = answered_at
        return True

    def _look_at(self, due: float, device: _Device) -> None:
        self._at(ceil(due / TICK_S) * TICK_S, LOOK, device)

    def _lose(self, now: float, device: _Device) -> None:
        if self._tuner is not None:
            self._tuner.on_ended(device, CloseReason.HEARTBEAT_TIMEOUT, now)
        self._count(now, device, lost=device.is_on)
        away_s = self._random.uniform(*BACK_S) if device.is_on else OFF_S
        device.connect(now)  # a heart of its own, so that no look is at the old one
        self._at(now + away_s, BACK, device)


def tried(way: Way, *, devices: int, days: int, seed: str = "tuning") -> Fleet:
    """Play a fleet."""
    fleet = Fleet(way, devices=devices, days=days, seed=seed)
    fleet.run()
    return fleet


def pings_and_lost(fleet: Fleet, first: int, last: int) -> tuple[int, int]:
    """Return both of the days from `first` to `last`, all routers together."""
    days = [day for each in fleet.outcomes.values() for day in each[first : last + 1]]
    return sum(day.pings for day in days), sum(day.lost for day in days)


def lost_behind(fleet: Fleet, routers: tuple[float, ...], first: int, last: int) -> int:
    """Return who was lost behind routers that forget so soon, in these days."""
    return sum(
        day.lost
        for forgets_s, days in zip(FORGETS_S, fleet.outcomes.values(), strict=True)
        if forgets_s in routers
        for day in days[first : last + 1]
    )


def table(devices: int, days: int, seeds: int) -> str:
    """Return the table of the page: the mean of all seeds.

    Pings are of a device and day, lost are of all `devices` behind each router.
    """
    head = ("pinged", "pings, day 1", f"day {days}", "lost at 30 s, day 1", "later")
    lines = [f"| {' | '.join((*head, 'at others, day 1', 'later'))} |", "|---|" + 6 * "---:|"]
    of_all = devices * len(FORGETS_S) * seeds
    for way in WAYS:
        fleets = [tried(way, devices=devices, days=days, seed=str(n)) for n in range(seeds)]
        first = sum(pings_and_lost(fleet, 0, 0)[0] for fleet in fleets)
        last = sum(pings_and_lost(fleet, days - 1, days - 1)[0] for fleet in fleets)
        lost = [
            sum(lost_behind(fleet, routers, *part) for fleet in fleets) / seeds
            for routers in (FORGETS_S[:1], FORGETS_S[1:])
            for part in ((0, 0), (1, days))
        ]
        cells = (f"{first / of_all:.0f}", f"{last / of_all:.0f}", *(f"{each:g}" for each in lost))
        lines.append(f"| {way.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.tuning_trial")
    parser.add_argument("--devices", type=int, default=4, help="behind each router")
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    sys.stdout.write(table(options.devices, options.days, options.seeds) + "\n")


if __name__ == "__main__":
    main()
