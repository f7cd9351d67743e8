"""The same as `tuning_trial` with the whole gateway: `keepline simulate` with routers that forget.

`python -m tools.tuning_simulated` prints a table. It is slower by far, and knows what the trial
does not: keepalives, the kernel's timeout, devices that notice by themselves.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from math import inf
from typing import Any, Final, NamedTuple, Self

from keepline.simulation.faults import Fault, Mixture
from keepline.simulation.person import Kind
from keepline.simulation.world import Mix, World
from tools.tuning_trial import DAY_S, FORGETS_S, POWER_CUTS_PER_DAY, TALKS_PER_DAY

TALK_S: Final = 20.0
NEVER_S: Final = 1e9

OWN: Final = {"xiaozhi": {"keepalive_s": None}}


class Way(NamedTuple):
    """How a fleet is pinged."""

    name: str
    settings: dict[str, Any]
    is_own: bool = False


SEED_30: Final = Way("every 30 s (seed), stock", {"heartbeat": {"preset": "seed"}})
SEED_30_OWN: Final = Way(
    "every 30 s (seed), own", {"heartbeat": {"preset": "seed"}, "profiles": OWN}, is_own=True
)
LEARNED: Final = Way("learned, stock", {"tuning": {"verdict_s": 120.0}})
LEARNED_OWN: Final = Way(
    "learned, own", {"tuning": {"verdict_s": 310.0}, "profiles": OWN}, is_own=True
)
WAYS: Final = (SEED_30, LEARNED, SEED_30_OWN, LEARNED_OWN)


class Outcome(NamedTuple):
    """Pings of all, and connections that routers have forgotten, by what they forget after."""

    pings: int
    forgotten: dict[float, int]

    @property
    def lost(self) -> int:
        """Of all routers."""
        return sum(self.forgotten.values())


class Fleet:
    """Some devices behind each router, in one simulated gateway. Use it in a `with`."""

    def __init__(self, way: Way, *, devices: int, seed: int) -> None:
        mix = Mix(
            devices=devices * len(FORGETS_S),
            talk=TALKS_PER_DAY * TALK_S / DAY_S,
            ask_every_s=NEVER_S,
        )
        cuts = Mixture({Fault.DIE: 1.0}, POWER_CUTS_PER_DAY / 24)
        self.world = World(seed, mix, mixture=cuts, settings=way.settings)
        for number, plug in enumerate(self.world.plugs.values()):
            router = number // devices
            plug.path.forgets_s = FORGETS_S[router]
            plug.address = f"192.0.2.{router}"
            kind = plug.device.kind
            plug.device.kind = replace(
                Kind(acks=kind.acks, version=kind.version, mcp=False),
                channel_s=inf if way.is_own else kind.channel_s,
            )
        self.world.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.world.close()

    def live(self, hours: float) -> Outcome:
        """Let time pass, and return what happened in it. Raises ViolationError."""
        pings, forgotten = self._pings, self._forgotten()
        self.world.live(hours)
        now = self._forgotten()
        return Outcome(self._pings - pings, {each: now[each] - forgotten[each] for each in now})

    @property
    def _pings(self) -> int:
        life = self.world.host.life
        return 0 if life is None else life.node.counters.pings_sent

    def _forgotten(self) -> dict[float, int]:
        found = dict.fromkeys(FORGETS_S, 0)
        for plug in self.world.plugs.values():
            found[plug.path.forgets_s] += plug.path.forgotten
        return found


def table(devices: int, seed: int, hours: tuple[float, float]) -> str:
    """Return what happened in the first hours and in those that follow."""
    head = "pinged", "pings", "lost at 30 s", "at others", "later: pings", "lost at 30 s"
    lines = [f"| {' | '.join((*head, 'at others'))} |", "|---|" + 6 * "---:|"]
    for way in WAYS:
        with Fleet(way, devices=devices, seed=seed) as fleet:
            cells = []
            for each in hours:
                pings, forgotten = fleet.live(each)
                soonest = forgotten[FORGETS_S[0]]
                cells += [pings, soonest, sum(forgotten.values()) - soonest]
        lines.append(f"| {way.name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.tuning_simulated")
    parser.add_argument("--devices", type=int, default=4, help="behind each router")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=float, default=24.0, help="hours to learn in")
    parser.add_argument("--then", type=float, default=24.0, help="hours that follow")
    options = parser.parse_args()
    hours = options.first, options.then
    sys.stdout.write(table(options.devices, options.seed, hours) + "\n")


if __name__ == "__main__":
    main()
