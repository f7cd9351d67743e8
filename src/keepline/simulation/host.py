"""Where the devices of a simulation connect: one gateway process after another, and their disk."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final

from keepline.errors import RefusedError
from keepline.gateway.auth import make_authenticator
from keepline.gateway.door import Door
from keepline.gateway.gateway import Gateway
from keepline.gateway.holder import NodeHolder
from keepline.gateway.node import Node
from keepline.hub.local import Retention
from keepline.monitor.metrics import Counters
from keepline.simulation.application import Puppet
from keepline.simulation.loop import VirtualLoop
from keepline.simulation.transport import HostTransport
from keepline.simulation.violation import ViolationError
from keepline.simulation.watched import WatchedHub, WatchedLog

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from keepline.settings import Settings
    from keepline.simulation.disk import Disk
    from keepline.simulation.oracle.oracle import Oracle
    from keepline.simulation.plug import Tcp
    from keepline.simulation.timeline import Timeline
    from keepline.simulation.trace import Trace

NAME: Final = "simulated"
WALL: Final = 1_800_000_000.0
LAST_WRITES_S: Final = 5.0
PATIENCE_S: Final = 30.0
"""After trouble of the disk it takes so long until all is written."""


class HostClock:
    """The clocks of one machine; the wall clock can be set."""

    def __init__(self, timeline: Timeline) -> None:
        self.ahead_s = WALL
        self.now = lambda: timeline.now
        self.wall = lambda: timeline.now + self.ahead_s
        self.cpu = lambda: 0.0
        self.thread_cpu = lambda: 0.0


class Arrival:
    """One connection that came, from its door to its end."""

    __slots__ = ("door", "transport")

    def __init__(self, door: Door, transport: HostTransport) -> None:
        self.door = door
        self.transport = transport


class Life:
    """One process: its loop and its node."""

    def __init__(self, host: Host, seed: int, *, turn_s: float, timers_first: bool) -> None:
        settings = host.settings
        self.loop = VirtualLoop(  # type: ignore[abstract]  # sockets and processes it has none
            host.timeline, host.on_fault, turn_s=turn_s, timers_first=timers_first
        )
        log = WatchedLog(host.clock, host.oracle)
        counters = Counters()
        disk: Any = host.disk  # it stands in for an executor
        kept = settings.hub
        self.hub = WatchedHub(
            host.disk.database,
            node=NAME,
            loop=self.loop,
            executor=disk,
            clock=host.clock,
            retention=Retention(kept.keep_s, kept.events, kept.bytes),
            on_trouble=host.note_trouble,
        )
        self.hub.listener = host.oracle
        self.node = Node(
            settings,
            loop=self.loop,
            clock=host.clock,
            random=Random(seed),  # noqa: S311 (the seed's)
            executor=disk,
            log=log,
            counters=counters,
            authenticator=make_authenticator(
                settings, clock=host.clock, log=log, counters=counters
            ),
            make_handler=lambda: Puppet(host.oracle),
            make_session_id=lambda: f"s-{next(host.session_numbers)}",
            hub=self.hub,
        )
        self.gateway = Gateway(self.node)
        self.arrivals: dict[int, Arrival] = {}
        self.own: set[object] = set()  # tasks that are not the node's
        self.is_ready = False
        self.is_leaving = False
        self.is_stopped = False
        self._restarted = host.oracle.restarted

    def hold(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which is not the node's, on its loop."""
        task = self.loop.create_task(work)
        self.own.add(task)
        task.add_done_callback(self.own.discard)

    async def begin(self) -> None:
        """Begin, as a process does."""
        holder = NodeHolder(self.node, NAME)
        await self.hub.start(holder, self.node.settings.hub.resume_window_s)
        self.gateway.keep_time()
        self._restarted()
        self.is_ready = True

    async def end(self) -> None:
        """Leave, as a process does that is told to."""
        await self.gateway.stop()
        await self.hub.stop(LAST_WRITES_S)
        self.own.clear()
        self.is_stopped = True


class Host:
    """`life` is the process that runs, None while there is none."""

    def __init__(
        self,
        timeline: Timeline,
        settings: Settings,
        *,
        disk: Disk,
        oracle: Oracle,
        trace: Trace,
        random: Random,
        turn_s: float = 0.0,
    ) -> None:
        self.timeline = timeline
        self.settings = settings
        self.disk = disk
        self.oracle = oracle
        self.clock = HostClock(timeline)
        self.session_numbers = count(1)
        self.life: Life | None = None
        self.jumped_at = -1.0  # when the wall clock was set
        self._trace = trace
        self._random = random
        self._turn_s = turn_s
        self._numbers = count(1)

    @property
    def is_up(self) -> bool:
        """Whether devices can connect."""
        return self.life is not None and self.life.is_ready

    def start(self) -> None:
        """Begin a process."""
        assert self.life is None, "one at a time"
        timers_first = self._random.random() < 0.5  # noqa: PLR2004 (a coin)
        seed = self._random.getrandbits(64)
        self.life = Life(self, seed, turn_s=self._turn_s, timers_first=timers_first)
        self._trace.note("start", timers_first)
        self.life.loop.enter(self._begin, self.life)

    def _begin(self, life: Life) -> None:
        life.hold(life.begin())

    def stop(self) -> None:
        """Have the process leave in order; `life` is None once it has."""
        life = self.life
        if life is not None and life.is_ready:
            self._trace.note("stop")
            life.is_ready, life.is_leaving = False, True
            life.loop.enter(lambda: life.hold(life.end()))

    def bury(self) -> Life | None:
        """Return the process if it has left, and have none any more."""
        life = self.life
        if life is None or not life.is_stopped:
            return None
        self.life = None
        return life

    def kill(self, *, silently: bool) -> None:
        """Kill the process; silently, as a power cut does, devices are not told."""
        life, self.life = self.life, None
        if life is None:
            return
        self._trace.note("kill", silently)
        is_settled = self.disk.is_idle and life.hub.waiting == 0
        life.loop.kill()
        for arrival in life.arrivals.values():
            arrival.transport.vanish(silently=silently)
        self.oracle.crashed(is_settled=is_settled)

    def set_wall(self, by_s: float) -> None:
        """Set the wall clock."""
        self._trace.note("wall", by_s)
        self.jumped_at = self.timeline.now
        self.clock.ahead_s += by_s

    def accept(self, tcp: Tcp) -> HostTransport | None:
        """Take a connection over; see `plug.Place`."""
        life, plug = self.life, tcp.plug
        if life is None or not life.is_ready or plug is None:
            return None
        transport = HostTransport(
            self.timeline,
            life.loop,
            self.oracle,
            tcp,
            device_id=plug.device.device_id,
            address=plug.address,
            number=next(self._numbers),
            kernel_timeout_s=self.settings.server.kernel_timeout_s,
        )
        self._trace.note("accept", transport.number, transport.device_id)
        life.loop.enter(self._arrive, life, transport, plug.address)
        return transport

    def _arrive(self, life: Life, transport: HostTransport, address: str) -> None:
        node = life.node

        async def way_in(door: Door) -> None:
            try:
                door.come_from(address)
            except RefusedError as error:
                door.turn_away(error)
                node.arrivals.step_aside()
            transport.begin(door)

        door = Door(node, way_in)
        life.arrivals[transport.number] = Arrival(door, transport)
        node.arrivals.begin(door)

    def over(self) -> Iterator[Arrival]:
        """Yield the connections whose transports are gone, and forget them."""
        life = self.life
        if life is None:
            return
        for number, arrival in list(life.arrivals.items()):
            if arrival.transport.is_lost and not is_leaving(life, arrival):
                del life.arrivals[number]
                yield arrival

    def trouble_s(self, since: float) -> float:
        """Return how long since then nobody could be quick: the loop stalled, or the disk."""
        life = self.life
        stalled_s = 0.0 if life is None else life.loop.stalled_s(since)
        return stalled_s + (PATIENCE_S if self.disk.trouble_at >= since - PATIENCE_S else 0.0)

    def on_fault(self, context: dict[str, Any]) -> None:
        """Nobody caught it: not even asyncio may hide what is wrong."""
        error = context.get("exception")
        self.oracle.found(ViolationError("fault", f"{context.get('message')}: {error!r}"))

    def note_trouble(self, trouble: Exception | None) -> None:
        """The store is away, or back."""
        self._trace.note("store", trouble)


def is_leaving(life: Life, arrival: Arrival) -> bool:
    """Whether a connection's end is still under way."""
    connection = arrival.door.connection
    state = arrival.door.lifecycle.state
    return state.value != "closed" or (
        connection is not None and connection in life.node.departures._waiting  # noqa: SLF001
    )
