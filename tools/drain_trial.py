"""Has a node of many devices leave in virtual time: another takes them over, or it comes back.

The node, its drain and the devices are the real ones; network, disk and time are the simulation's.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from keepline.fleet.chance import Chance
from keepline.fleet.habits import Habits
from keepline.fleet.identity import Identity
from keepline.fleet.tally import Tally
from keepline.gateway.drain.progress import Phase
from keepline.gateway.paths import DEVICE_PATH
from keepline.reasons import CloseReason
from keepline.settings.given import settings_from
from keepline.simulation.device import SimulatedDevice
from keepline.simulation.disk import Disk
from keepline.simulation.host import Host, Life
from keepline.simulation.oracle.oracle import Oracle
from keepline.simulation.path import Conditions, Path
from keepline.simulation.person import Habit, Kind
from keepline.simulation.plug import Plug
from keepline.simulation.timeline import Timeline
from keepline.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keepline.gateway.drain.plan import Plan
    from keepline.simulation.plug import Tcp
    from keepline.simulation.transport import HostTransport

ARRIVE_S: Final = 20.0
REST_S: Final = 10.0
IDLE_AFTER_S: Final = 5.0
AFTERMATH_S: Final = 60.0
TALK: Final = 0.02
"""The share of devices in a conversation at any time."""

AWAY_S: Final = 5.0  # from its end until it is back
TARGET: Final = "wss://other.example/xiaozhi/v1/"
MOST_STEPS: Final = 1 << 62
_SPEAKS_AGAIN_S: Final = 1_600.0

# A device's kind is its id up to the dash. What the gateway knows of it, and what it does.
_PROFILES: Final[dict[str, dict[str, Any]]] = {
    "told": {"notice": "reconnect"},
    "fixed": {"reconnect": "fixed", "reconnect_s": 10},
    "backoff": {"reconnect": "backoff", "reconnect_s": 1},
}
_RETURNS: Final[dict[str, tuple[float | None, float | None]]] = {
    "told": (1.0, 60.0),  # when it is told nothing
    "fixed": (10.0, None),
    "backoff": (1.0, 60.0),
    "stock": (None, None),
}


class Returning(SimulatedDevice):
    """A device that comes back as its kind does."""

    __slots__ = ()

    def __init__(self, returns: tuple[float | None, float | None], **usual: Any) -> None:
        super().__init__(**usual)
        self._habits = Habits(
            pause_s=(0.0, _SPEAKS_AGAIN_S), reconnect_s=returns[0], reconnect_most_s=returns[1]
        )
        self._backoff_s = returns[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What became of one departure; `arrivals` are in seconds since its begin, in order.

    `took_s` is how long it took until nobody was left. Who comes while nobody lets it in has not
    arrived.
    """

    plan: Plan | None
    took_s: float
    forced: int
    cut: int
    arrivals: list[float]

    @property
    def peak(self) -> int:
        """How many arrived in the busiest second of any."""
        return max(
            (number - bisect_left(self.arrivals, at - 1.0) + 1)
            for number, at in enumerate(self.arrivals)
        )

    def in_seconds(self, length_s: int) -> list[int]:
        """Return how many arrived in each second from the first on."""
        counts = [0] * length_s
        for at in self.arrivals:
            if at < length_s:
                counts[int(at)] += 1
        return counts


class Trial:
    """`mixture` is how many devices there are of each kind. Run once.

    Another node takes them over, unless this one `restarts`.
    """

    def __init__(
        self, seed: int, mixture: Mapping[str, int], rate_per_s: float, *, restarts: bool = False
    ) -> None:
        self.timeline = Timeline()
        self.arrivals: list[float] = []
        self._seed = seed
        self._random = Random(f"network {seed}")  # noqa: S311 (the seed's)
        self._tally = Tally()
        self._settings = settings_from(
            {
                "session": {"idle_after_s": IDLE_AFTER_S},
                "profiles": {
                    name: {"match": [f"{name}-*"], **profile} for name, profile in _PROFILES.items()
                },
                "server": {"max_connections": sum(mixture.values())},
                "drain": {"rate_per_s": rate_per_s},
            }
        )
        self._trace = Trace(self.timeline)
        self._oracles = [Oracle(self.timeline, self._trace, self._settings) for _ in "12"]
        self._disks = [Disk(self.timeline, self._random, (0.0002, 0.004)) for _ in "12"]
        self._old, self._new = map(self._host, range(2))
        self._restarts = restarts
        self._left_at: float | None = None
        names = [name for name, count in mixture.items() for _ in range(count)]
        self.plugs = [self._plug(name, number) for number, name in enumerate(names)]

    def drained(self) -> Left:
        """Leave as the drain does."""

        def leave(life: Life) -> None:
            life.node.drain.start("a trial", target=None if self._restarts else TARGET)

        return self._run(leave)

    def all_at_once(self) -> Left:
        """Leave as the listing does: everybody is told in the same moment."""

        def leave(life: Life) -> None:
            life.node.draining = True
            for session in life.node.registry:
                session.close(CloseReason.SERVER_SHUTDOWN)

        return self._run(leave)

    def _run(self, leave: Callable[[Life], None]) -> Left:
        timeline = self.timeline
        try:
            self._old.start()
            for plug in self.plugs:
                plug.arm()
            timeline.run(timeline.now + ARRIVE_S + REST_S, MOST_STEPS)
            life = self._old.life
            assert life is not None, "nobody ends it"
            assert len(life.node.registry) == len(self.plugs), "everybody is here"
            self._left_at = timeline.now
            if not self._restarts:
                self._new.start()
            life.loop.enter(leave, life)
            took_s = self._see_them_off(life, timeline.now)
            if self._restarts:
                self._old.life = None
                timeline.run(timeline.now + AWAY_S, MOST_STEPS)
                self._new.start()
            timeline.run(self._left_at + AFTERMATH_S, MOST_STEPS)
            self._look_for_the_lost()
            progress = life.node.drain.progress()
        finally:
            self._end()
        return Left(
            plan=progress.plan,
            took_s=took_s,
            forced=progress.counts.forced,
            cut=progress.counts.cut,
            arrivals=self.arrivals,
        )

    def _end(self) -> None:
        for host, disk in zip((self._old, self._new), self._disks, strict=True):
            if host.life is not None:
                host.life.loop.kill()
            disk.close()

    def _see_them_off(self, life: Life, since: float) -> float:
        node, timeline = life.node, self.timeline
        while node.registry or node.drain.phase not in (Phase.NONE, Phase.ENDED):
            timeline.run(timeline.now + 0.1, MOST_STEPS)
        return timeline.now - since

    def _look_for_the_lost(self) -> None:
        """Everybody is on the other side who does not wait for its person."""
        assert self._new.life is not None, "nobody ends it"
        there = self._new.life.node.registry
        for plug in self.plugs:
            device = plug.device
            is_there = there.by_device(device.device_id) is not None
            assert is_there or device.device_id.startswith("stock-"), device.device_id

    def accept(self, tcp: Tcp) -> HostTransport | None:
        """Send who comes where it belongs, as a balancer does; see `plug.Place`."""
        if self._left_at is None or not self._new.is_up:
            return self._old.accept(tcp)
        self.arrivals.append(self.timeline.now - self._left_at)
        return self._new.accept(tcp)

    def _host(self, number: int) -> Host:
        return Host(
            self.timeline,
            self._settings,
            disk=self._disks[number],
            oracle=self._oracles[number],
            trace=self._trace,
            random=Random(f"host {number} {self._seed}"),  # noqa: S311 (the seed's)
        )

    def _plug(self, name: str, number: int) -> Plug:
        chance = Chance(self._seed, number)
        identity = Identity(
            device_id=f"{name}-{number}",
            client_id=f"simulated-{number}",
            host="gateway",
            target=f"{DEVICE_PATH}/",
            token=None,
        )
        device = Returning(
            _RETURNS[name],
            identity=identity,
            kind=Kind(),
            habit=Habit(talk=TALK, ask_every_s=float("inf")),
            chance=chance,
            tally=self._tally,
            listener=self._oracles[0],
            first_due=self.timeline.now + chance.uniform(0.0, ARRIVE_S),
        )
        for oracle in self._oracles:
            oracle.add(device)
        path = Path(self.timeline, self._random, Conditions(chance.uniform(0.005, 0.06), 0.02))
        return Plug(self.timeline, self, path, device, f"10.1.{number >> 8}.{number & 255}")
