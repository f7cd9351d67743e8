"""The hub of one node of many. See docs/cluster.md."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import json

from keepline.errors import (
    CommandError,
    HubDownError,
    NoAnswerError,
    NotConnectedError,
    StartError,
)
from keepline.hub.cluster.claims import Claims
from keepline.hub.cluster.directory import Directory
from keepline.hub.cluster.lanes import Lanes
from keepline.hub.cluster.link import Link
from keepline.hub.cluster.neighbours import NO_COMMAND, NOT_HERE, OK, WHERE_S, Neighbours
from keepline.hub.cluster.outbox import Outbox
from keepline.hub.cluster.peers import Peers
from keepline.hub.cluster.records import DEVICES, EVENT, EVENTS, OWN, STATE
from keepline.hub.cluster.stream import Streams
from keepline.hub.cluster.sweep import Fate, Sweep
from keepline.hub.cluster.upkeep import Upkeep
from keepline.hub.port import NodeView, Whereabouts, carry
from keepline.hub.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keepline.clock import Clock
    from keepline.hub.cluster.link import Address
    from keepline.hub.cluster.records import Owner
    from keepline.hub.local import Elder, LocalHub
    from keepline.hub.port import (
        Event,
        Holder,
        Known,
        Row,
        Tally,
        Totals,
        Writing,
    )

GOODBYE_S: Final = 2.0
PREPARE_S: Final = 15.0  # an election may take that long
PREPARE_AGAIN_S: Final = 0.25
DUPLICATES_S: Final = 3_600
"""An event that is sent again within this is dropped by the engine."""

WELL_TICKS: Final = 3
NODE_LOST: Final = "node_lost"
UNKNOWN: Final = "unknown"


class Options(NamedTuple):
    """How a node takes part. `replicas` is for streams that are not there yet."""

    node: str
    life: str
    address: Address
    replicas: int = 1
    claim_timeout_s: float = 7.0
    lets_in_while_away: bool = False
    events_age_s: float = 30 * 86_400.0
    events_bytes: int = 1 << 30


class NatsHub:
    """See `port.Hub`. Who has a device and what it left is in NATS, all else in the `local` hub."""

    def __init__(
        self,
        local: LocalHub,
        options: Options,
        *,
        clock: Clock,
        draw: Callable[[], float],
        on_trouble: Callable[[Exception | None], None],
        on_namesake: Callable[[str], None] = lambda _life: None,
    ) -> None:
        self.local = local
        self._options = options
        self._clock = clock
        self._apart_s = clock.wall() - clock.now()  # a step of the clock moves no window
        self._loop = asyncio.get_running_loop()
        self._holder: Holder | None = None
        self._lanes = Lanes(self._loop)
        self.peers = Peers()
        self.link = Link(
            options.address, options.life, draw=draw, on_change=self._on_connection_changed
        )
        self._on_trouble = on_trouble
        self._on_namesake = on_namesake
        self._has_heir = False
        self._well_ticks: int | None = None  # how long it has been well after a trouble was told
        self._streams = Streams(self.link, self._note_trouble)
        self._neighbours = Neighbours(
            self.link, self.peers, life=options.life, node=options.node, here=self
        )
        self._directory = directory = Directory(
            self._streams,
            self.link,
            life=options.life,
            node=options.node,
            wall=self._wall,
            traces=Traces(),
            ask_holder=self._neighbours.ask_holder,
        )
        self.outbox = Outbox(
            local, self._streams, node=options.node, make_name=lambda: options.life
        )
        self.claims = claims = Claims(
            local,
            directory,
            self._lanes,
            life=options.life,
            node=options.node,
            within_s=options.claim_timeout_s,
            lets_in_while_away=options.lets_in_while_away,
        )
        self.upkeep = Upkeep(local, claims)
        self.sweep = Sweep(self._streams, self)
        self.lay_to_rest = claims.lay_to_rest
        self.claim = claims.claim
        self.save = claims.save
        self.release = claims.release
        self.hand_back = claims.hand_back
        self._has_streams = False
        self._beating: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def keeps_house(self) -> bool:
        """See `LocalHub`."""
        return self.local.keeps_house

    @keeps_house.setter
    def keeps_house(self, keeps: bool) -> None:
        self.local.keeps_house = keeps

    @property
    def has_beaten(self) -> bool:
        """Whether the last heartbeat is on its way."""
        return self._beating is None or self._beating.done()

    async def start(self, holder: Holder, window_s: float, elder: Elder | None = None) -> int:
        """Begin a node's life; see `LocalHub.start`. Raises StartError with what to do next."""
        self._holder = self.claims.holder = holder
        self.claims.window_s = window_s
        self.claims.elder = "" if elder is None else elder.name
        self.upkeep.inherit(await self.local.left_by_former(self.claims.elder))
        held = await self.local.start(holder, window_s, elder)
        await self.link.open()
        try:
            await self._prepare()
            await self._neighbours.start()
        except BaseException:
            await self.link.close()
            raise
        self.peers.listen()
        await self._neighbours.beat(self._load(holder))
        return held

    def share(self) -> None:
        """Another process will use our file, too; see `LocalHub.share`."""
        self._has_heir = True
        self.local.share()

    async def be_alone(self) -> None:
        """No other process uses our file; see `LocalHub.be_alone`."""
        self._has_heir = False
        await self.local.be_alone()

    async def outlive(self, window_s: float) -> int:
        """The elder has ended: what it held to its end is given back in time."""
        self.upkeep.inherit(await self.local.left_by_former(""))
        self.claims.elder = ""
        return await self.local.outlive(window_s)

    async def stop(self, within_s: float) -> int:
        """Write what waits and leave; return how many writes could not be done."""
        left = await self._lanes.flush(within_s)
        await self.outbox.stop(within_s)
        if self._holder is not None:
            with suppress(TimeoutError, HubDownError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._neighbours.beat(self._load(self._holder), leaves=True)
        await self.cut_off()
        return left + await self.local.stop(within_s)

    async def cut_off(self) -> None:
        """Be gone without a word."""
        await self.sweep.stop()
        await self.upkeep.stop()
        await self.claims.stop()
        await self._lanes.stop()
        await self._neighbours.stop()
        for task in (self._beating, self._returning, *self._telling):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        await self.link.close()

    async def send(self, device_id: str, payload: bytes, timeout_s: float) -> bytes:
        """Carry a command to a device wherever it is; see `port.Hub`."""
        with suppress(NotConnectedError):
            return await carry(self._holder, device_id, payload, timeout_s)
        deadline = self._loop.time() + timeout_s
        nobody = NotConnectedError(f"{device_id} is not connected")
        for from_leader in (False, True):
            _, owner = await self._directory.find(device_id, from_leader=from_leader)
            if owner is None or owner.is_released or self.peers.is_overdue(owner.life):
                continue  # of several servers only the leader's word counts
            if owner.life == self._options.life:
                continue  # it has left, or was here before a moment
            left_s = max(deadline - self._loop.time(), 0.001)
            answer = await self._neighbours.ask(owner.life, "cmd", device_id, payload, left_s)
            if answer is None:
                raise nobody
            if answer.result == OK:
                return answer.data
            if answer.result == NO_COMMAND:
                raise CommandError(answer.data.decode("utf-8", "replace"))
            if answer.result != NOT_HERE:
                raise NoAnswerError(f"{owner.node} is too busy to say what became of it")
        raise nobody

    async def where(self, device_id: str) -> Whereabouts | None:
        """Return who holds a device, behind all that was asked for of it; see `port.Hub`."""
        await self._lanes.passed(device_id)
        kept, owner = await self._directory.find(device_id)
        if kept is None or owner is None or owner.is_released:
            return None
        session_id = owner.session
        if owner.life == self._options.life:
            described = None if self._holder is None else self._holder.describe(device_id)
            session_id = self.claims.session_of(device_id, kept.sequence) or session_id
        else:
            described = await self._described_by(owner.life, device_id)
        if described is None:
            return None
        return Whereabouts(owner.node, kept.sequence, session_id, owner.since, *described)

    async def known(self, within_s: float, after: str = "", limit: int = 1_000) -> Sequence[Known]:
        """Return who was at this node; see `port.Hub`."""
        return await self.local.known(within_s, after, limit)

    async def nodes(self) -> Sequence[NodeView]:
        """Return every node that is alive."""
        others = [
            NodeView(beat.node, beat.sessions, beat.limit, beat.draining)
            for beat in self.peers.alive()
        ]
        return sorted(others if self._holder is None else [self._load(self._holder), *others])

    def emit(self, device_id: str, kind: str, data: bytes) -> None:
        """Note an event in the node's file; from there it goes to the stream of all."""
        self.local.emit(device_id, kind, data)
        self.outbox.noted()

    def tally(self, device_id: str, tally: Tally) -> None:
        """Add a session to its device's totals at this node."""
        self.local.tally(device_id, tally)

    async def totals(self, device_id: str) -> Totals | None:
        """Return a device's totals at this node."""
        return await self.local.totals(device_id)

    async def events(
        self, after: int = 0, *, limit: int = 100, device_id: str | None = None
    ) -> Sequence[Event]:
        """Return events of this node; see `port.Hub`."""
        return await self.local.events(after, limit=limit, device_id=device_id)

    async def latest(
        self,
        before: int | None = None,
        *,
        limit: int = 100,
        device_id: str | None = None,
        kind: str | None = None,
    ) -> Sequence[Event]:
        """Return the newest events of this node; see `port.Hub`."""
        return await self.local.latest(before, limit=limit, device_id=device_id, kind=kind)

    def keep_rows(self, rows: Sequence[Row], kept: Mapping[float, tuple[int, int]]) -> None:
        """Write rows; see `port.Hub`."""
        self.local.keep_rows(rows, kept)

    async def rows(self) -> Sequence[Row]:
        """Return every row; see `port.Hub`."""
        return await self.local.rows()

    def keep_memo(self, name: str, data: bytes) -> None:
        """Keep a document; see `port.Hub`."""
        self.local.keep_memo(name, data)

    async def memo(self, name: str) -> bytes | None:
        """Return a document; see `port.Hub`."""
        return await self.local.memo(name)

    def writing(self) -> Writing:
        """Return how writing goes, to the file and to the engine."""
        writing = self.local.writing()
        return writing._replace(
            waiting=writing.waiting + len(self._lanes),
            waiting_bytes=writing.waiting_bytes + self._lanes.waiting_bytes,
            is_down=writing.is_down or self._streams.trouble is not None or not self.link.is_up,
        )

    def admits(self) -> bool:
        """A claim is answered while the engine can be used, or provisionally."""
        is_up = self.link.is_up and self._streams.trouble is None
        return is_up or self._options.lets_in_while_away

    def each_second(self) -> None:
        """Tell how we are, count who is missing, and see to what is owed."""
        self.local.each_second()
        self._tell_that_it_is_well()
        if not self.link.is_up or self._holder is None:
            return
        self._see_to_streams()
        for life in self.peers.tick():
            self._tell_lost(life)
        if self.has_beaten:
            self._beating = self._loop.create_task(self._beat(self._holder))
        self.outbox.each_second()
        self.upkeep.each_tick(self._holder.load().sessions)
        self.claims.each_tick(self._holder)
        self.sweep.each_tick(is_ours_to_do=self.peers.is_first(self._options.life))

    async def let_go(self, device_id: str, number: int) -> None:
        """Give up a device that another node wants; see `neighbours.Here`."""
        await self.claims.let_go(device_id, number)

    async def carry(self, device_id: str, payload: bytes) -> bytes:
        """Carry another node's command; see `neighbours.Here`."""
        if self._holder is None:
            raise NotConnectedError(f"{device_id} is not connected")
        return await self._holder.command(device_id, payload)

    def describe(self, device_id: str) -> tuple[str, str]:
        """Say how a device of ours is; see `neighbours.Here`."""
        described = None if self._holder is None else self._holder.describe(device_id)
        if described is None:
            raise NotConnectedError(f"{device_id} is not connected")
        return described

    async def _described_by(self, life: str, device_id: str) -> tuple[str, str] | None:
        if self.peers.is_overdue(life):
            return None
        try:
            answer = await self._neighbours.ask(life, "where", device_id, b"", WHERE_S)
        except NoAnswerError:
            return UNKNOWN, UNKNOWN
        if answer is None or answer.result != OK:
            return None
        state, _, health = answer.data.decode().partition("\n")
        return state, health

    async def _beat(self, holder: Holder) -> None:
        with suppress(HubDownError):
            await self._neighbours.beat(self._load(holder))

    def _on_connection_changed(self) -> None:
        self._has_streams = False  # it may be another engine, or one that has lost its files
        if self.link.is_up:
            self.peers.listen()
            self._see_to_streams()
        else:
            self._streams.lost()

    def on_namesake(self, life: str) -> None:
        """Two nodes of one name take each other for dead, but in an upgrade; see `Here`."""
        if life != self.claims.elder and not self._has_heir:
            self._on_namesake(life)

    def fate(self, owner: Owner) -> Fate:
        """Return what becomes of a record; see `sweep.Undertaker`."""
        if not owner.is_released:
            is_other = owner.life not in {self._options.life, self.claims.elder}
            return Fate(is_buried=is_other and self.peers.is_long_dead(owner.life))
        if not owner.is_over(self._wall()):
            return Fate()
        is_old = owner.away_s(self._wall()) >= self._options.events_age_s
        return Fate(is_forgotten=owner.keeps, is_removed=not owner.keeps and is_old)

    def _tell_lost(self, life: str) -> None:
        """Have it stand among the events, once, whoever else has noticed."""
        told = json.encode({"node": self.peers.name_of(life), "life": life})
        task = self._loop.create_task(
            self.outbox.tell(NODE_LOST, self._clock.wall(), told, f"lost:{life}")
        )
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _note_trouble(self, trouble: Exception | None) -> None:
        if trouble is not None and self._well_ticks is None:
            self._on_trouble(trouble)
        self._well_ticks = 0

    def _tell_that_it_is_well(self) -> None:
        """In an election it is well now and then: what is over has been over for a while."""
        if self._well_ticks is None or self._streams.trouble is not None:
            return
        self._well_ticks += 1
        if self._well_ticks >= WELL_TICKS:
            self._well_ticks = None
            self._on_trouble(None)

    def _see_to_streams(self) -> None:
        is_well = self._has_streams and self._streams.trouble is None
        if not is_well and (self._returning is None or self._returning.done()):
            self._returning = self._loop.create_task(self._return())

    async def _return(self) -> None:
        try:
            await self._make_streams()
            await self._streams.probe()
        except (HubDownError, StartError):
            return  # the next second again
        self.upkeep.all_at_once()

    def _load(self, holder: Holder) -> NodeView:
        return holder.load()._replace(name=self._options.node)

    def _wall(self) -> float:
        return self._clock.now() + self._apart_s

    async def _prepare(self) -> None:
        """Have the streams be there; servers that have just started elect their leaders first."""
        deadline = self._loop.time() + PREPARE_S
        while True:
            try:
                return await self._make_streams()
            except HubDownError as error:
                if self._loop.time() >= deadline:
                    raise StartError(
                        f"the cluster cannot be used: {error}",
                        "start its nats-server with JetStream (-js); of several, more than half"
                        " have to run",
                    ) from error
                await asyncio.sleep(PREPARE_AGAIN_S)

    async def _make_streams(self) -> None:
        options = self._options
        always = {"storage": "file", "num_replicas": options.replicas, "retention": "limits"}
        await self._streams.make(
            {
                **always,
                "name": DEVICES,
                "subjects": [f"{OWN}*", f"{STATE}*"],
                "max_msgs_per_subject": 1,
                "allow_direct": True,
                # In microseconds: claims of an engine that has lost its files are behind all later.
                "first_seq": int(self._wall() * 1e6),
            }
        )
        await self._streams.make(
            {
                **always,
                "name": EVENTS,
                "subjects": [f"{EVENT}*"],
                "max_age": int(options.events_age_s * 1e9),
                "max_bytes": options.events_bytes,
                "duplicate_window": DUPLICATES_S * 1_000_000_000,
            }
        )
        self._has_streams = True
