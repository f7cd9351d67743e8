"""One simulation: made from a seed, run to its end, and looked at all the way."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from keepline.fleet.chance import Chance
from keepline.fleet.identity import Identity
from keepline.fleet.tally import Tally
from keepline.gateway.paths import DEVICE_PATH
from keepline.settings.given import settings_from
from keepline.simulation.device import SimulatedDevice
from keepline.simulation.disk import Disk
from keepline.simulation.faults import Mixture, drawn_mixture
from keepline.simulation.host import Host
from keepline.simulation.invariants import check_ended, check_left, check_node, check_promises
from keepline.simulation.mischief import Mischief
from keepline.simulation.oracle.oracle import Oracle
from keepline.simulation.path import Conditions, Path
from keepline.simulation.person import ROUGH_WISHES, WISHES, Habit, drawn_kind
from keepline.simulation.plug import Plug
from keepline.simulation.timeline import Timeline
from keepline.simulation.trace import Trace
from keepline.simulation.violation import ViolationError
from keepline.simulation.watching import DeathWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.simulation.host import Life

CHECK_STEPS: Final = 500
CHECK_STEPS_OF_A_DEVICE: Final = 20
"""Whole sets are compared after so many steps; what can be seen at its event is seen there."""

ARRIVE_WITHIN_S: Final = 20.0
SETTLE_S: Final = 400.0
"""How long everything is calm at the end, before all that was promised must have come."""

LEAVE_S: Final = 120.0
HOUR_S: Final = 3_600.0
MOST_STEPS: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What is simulated. `faults` are to be expected for each device in an hour.

    `is_rough`: applications fail and close on request, too, turns of the loop take time, segments
    are cut, and limits are small: what is rare in life is common.
    """

    devices: int = 50
    hours: float = 1.0
    talk: float = 0.05
    faults: float = 1.0
    ask_every_s: float = 600.0
    is_rough: bool = False


LIFE: Final = Mix()
ROUGH: Final = Mix(devices=12, hours=0.25, faults=40.0, ask_every_s=6.0, is_rough=True)


class World:
    """`run` once. `step` is the number of the step under way."""

    def __init__(
        self,
        seed: int,
        mix: Mix,
        *,
        mixture: Mixture | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.seed = seed
        self.mix = mix
        self.timeline = Timeline()
        self.trace = Trace(self.timeline)
        draw = Random(f"plan {seed}")  # noqa: S311 (the seed's)
        self.settings = settings_from(drawn_settings(draw, mix) if settings is None else settings)
        self.mixture = drawn_mixture(draw, mix.faults) if mixture is None else mixture
        self._network = Random(f"network {seed}")  # noqa: S311
        self.oracle = Oracle(self.timeline, self.trace, self.settings)
        self.disk = Disk(self.timeline, self._network, (0.0002, 0.004))
        turn_s = draw.choice((0.0, 0.0002, 0.002)) if mix.is_rough else 0.0
        self.host = Host(
            self.timeline,
            self.settings,
            disk=self.disk,
            oracle=self.oracle,
            trace=self.trace,
            random=Random(f"host {seed}"),  # noqa: S311
            turn_s=turn_s,
        )
        self.watch = DeathWatch(self.timeline, self.host, self.oracle)
        self.tally = Tally()
        self._draw = draw
        self.plugs = {
            plug.device.device_id: plug for plug in map(self._make_plug, range(mix.devices))
        }
        self.mischief = Mischief(
            timeline=self.timeline,
            host=self.host,
            plugs=list(self.plugs.values()),
            oracle=self.oracle,
            trace=self.trace,
            random=Random(f"faults {seed}"),  # noqa: S311
            chance=Chance(seed, mix.devices),
            mixture=self.mixture,
            watch=self.watch,
            after_stop=self._after_stop,
        )
        self.trace.note("plan", self.mixture, turn_s)

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return self.timeline.steps

    @property
    def device_hours(self) -> float:
        """How much life was simulated so far."""
        return (self.timeline.now - self._began) / HOUR_S * self.mix.devices

    _began = Timeline().now

    def run(self, on_progress: Callable[[float], None] | None = None) -> None:
        """Live, then settle, then leave. Raises ViolationError."""
        try:
            self.begin()
            self.live(self.mix.hours, on_progress)
            self._settle()
            self._leave()
        finally:
            self.close()

    def begin(self) -> None:
        """Start the gateway; devices come, and things go wrong."""
        self.host.start()
        for plug in self.plugs.values():
            plug.arm()
        self.mischief.begin()

    def live(self, hours: float, on_progress: Callable[[float], None] | None = None) -> None:
        """Let so much time pass. Raises ViolationError."""
        self._run(self.timeline.now + hours * HOUR_S, on_progress)

    def close(self) -> None:
        """Have nothing left of it, wherever it is; once."""
        if self.host.life is not None:
            self.host.life.loop.kill()
        self.disk.close()

    def _run(self, end: float, on_progress: Callable[[float], None] | None = None) -> None:
        began = self.timeline.now
        check_steps = max(CHECK_STEPS, CHECK_STEPS_OF_A_DEVICE * self.mix.devices)
        while not self.timeline.run(end, check_steps):
            self.check()
            if on_progress is not None:
                on_progress((self.timeline.now - began) / (end - began))
        self.check()

    def check(self) -> None:
        """Compare whole sets. Raises ViolationError."""
        host = self.host
        life = host.life
        if life is None:
            return
        if host.disk.is_idle and life.hub.waiting == 0:
            self.oracle.settle()
        check_ended(host.over())
        check_node(life)
        check_promises(host, self.oracle, self.plugs)

    def _settle(self) -> None:
        """Let nothing go wrong any more: all come back, and get what is theirs."""
        self.trace.note("settle")
        self.mischief.end()
        for plug in self.plugs.values():
            plug.device.is_quiet = True
        self._run(self.timeline.now + SETTLE_S)
        here = {who for who, plug in self.plugs.items() if plug.device.is_connected}
        # Who gives no sign of life is given up again and again, and comes back.
        mute = {who for who, plug in self.plugs.items() if plug.device.kind.is_mute}
        expected = min(len(self.plugs), self.settings.server.max_connections)
        if len(here | mute) < expected:
            away = sorted(self.plugs.keys() - here)
            raise ViolationError("return", f"{away} are not connected in a calm network")
        life = self.host.life
        if life is None or not len(here) <= len(life.node.registry) <= expected:
            count = 0 if life is None else len(life.node.registry)
            raise ViolationError("session", f"{count} sessions of {expected} devices")
        for who, account in self.oracle.accounts.items():
            if who in here and (owed := account.messages.owed()):
                raise ViolationError("delivery", f"{who} never got {owed}")

    def _leave(self) -> None:
        self.trace.note("leave")
        self.host.stop()
        end = self.timeline.now + LEAVE_S
        life = None
        while life is None:
            if self.timeline.now >= end:
                raise ViolationError("left over", f"it has not stopped within {LEAVE_S:g} s")
            self.timeline.run(self.timeline.now + 1.0, MOST_STEPS)
            life = self.host.bury()
        self._after_stop(life)

    def _after_stop(self, life: Life) -> None:
        """A process has left in order."""
        self.trace.note("left", sum(life.node.counters.disconnects.values()))
        check_ended(arrival for arrival in life.arrivals.values())
        check_left(life)
        self.oracle.settle()
        self.oracle.left()
        life.loop.kill()

    def _make_plug(self, number: int) -> Plug:
        chance = Chance(self.seed, number)
        kind = drawn_kind(chance)
        mix = self.mix
        habit = Habit(mix.talk, mix.ask_every_s, ROUGH_WISHES if mix.is_rough else WISHES)
        identity = Identity(
            device_id=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
            client_id=f"simulated-{number}",
            host="gateway",
            target=f"{DEVICE_PATH}/",
            token=None,
            audio_version=kind.version,
        )
        first_due = self.timeline.now + chance.uniform(0.0, ARRIVE_WITHIN_S)
        device = SimulatedDevice(
            identity,
            kind=kind,
            habit=habit,
            chance=chance,
            tally=self.tally,
            listener=self.oracle,
            first_due=first_due,
        )
        self.oracle.add(device)
        path = Path(self.timeline, self._network, drawn_conditions(self._draw, mix))
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255 or 1}"
        return Plug(self.timeline, self.host, path, device, address)


def drawn_conditions(random: Random, mix: Mix) -> Conditions:
    """Draw what one device's network is like on a usual day."""
    cuts = 0.2 if mix.is_rough and random.random() < 0.3 else 0.0  # noqa: PLR2004 (a share)
    return Conditions(random.uniform(0.005, 0.06), random.uniform(0.0, 0.03), 0.0, cuts)


def drawn_settings(random: Random, mix: Mix) -> dict[str, Any]:
    """Draw the settings of a seed: the defaults, or what makes rare things common."""
    if not mix.is_rough:
        return {}
    drawn: dict[str, Any] = {
        "heartbeat": {"preset": random.choice(("adaptive", "adaptive", "adaptive", "seed"))},
        "hub": {"resume_window_s": random.choice((60.0, 300.0, 3_600.0))},
        "session": {"idle_after_s": random.choice((5.0, 30.0))},
        "server": {
            "kernel_timeout_s": random.choice((30.0, 30.0, None)),
            "max_admissions": random.choice((4, 4_096)),
        },
        "outbox": {
            "control_messages": random.choice((32, 256)),
            "high_water_bytes": random.choice((4_096, 65_536)),
        },
    }
    if random.random() < 0.2:  # noqa: PLR2004 (a share)
        drawn["server"]["max_connections"] = max(1, mix.devices - 2)
    return drawn
