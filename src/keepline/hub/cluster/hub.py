"""The hub of one node of many. See docs/cluster.md."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.errors import (
    CommandError,
    HubDownError,
    NoAnswerError,
    NotConnectedError,
    ReplacedError,
)
from keepline.hub.cluster.directory import Directory
from keepline.hub.cluster.lanes import Lanes
from keepline.hub.cluster.link import Link
from keepline.hub.cluster.neighbours import NO_COMMAND, NOT_HERE, OK, WHERE_S, Neighbours
from keepline.hub.cluster.outbox import Outbox
from keepline.hub.cluster.peers import Peers
from keepline.hub.cluster.records import DEVICES, EVENT, EVENTS, OWN, STATE
from keepline.hub.cluster.stream import Streams
from keepline.hub.port import Claim, Whereabouts, carry, check_size
from keepline.hub.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from keepline.clock import Clock
    from keepline.hub.cluster.link import Address
    from keepline.hub.local import Elder, LocalHub
    from keepline.hub.port import (
        Amend,
        Event,
        Holder,
        Known,
        NodeView,
        Row,
        Tally,
        Totals,
        Writing,
    )

PROMISED_TICKS: Final = 15
"""A claim that another node took before its session began: so long that session may yet come."""

GOODBYE_S: Final = 2.0
AUDIT_EACH_TICKS: Final = 10
AUDIT_ALL_TICKS: Final = 600
DUPLICATES_S: Final = 3_600
"""An event that is sent again within this is dropped by the engine."""

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


class _Handed(NamedTuple):
    """A claim that came to nothing: the session that had the device goes on under its number."""

    number: int
    session_id: str


class _Saving:
    """A state that waits to be kept: a newer one of the same session takes its place."""

    __slots__ = ("claim", "state", "task")

    def __init__(self, claim: Claim, state: bytes) -> None:
        self.claim = claim
        self.state = state
        self.task: asyncio.Task[None] | None = None


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
    ) -> None:
        self.local = local
        self._options = options
        self._clock = clock
        self._apart_s = clock.wall() - clock.now()  # a step of the clock moves no window
        self._loop = asyncio.get_running_loop()
        self._holder: Holder | None = None
        self._lanes = Lanes(self._loop)
        self._peers = Peers()
        self._link = Link(
            options.address, options.life, draw=draw, on_change=self._on_connection_changed
        )
        self._streams = Streams(self._link, on_trouble)
        self._neighbours = Neighbours(
            self._link, self._peers, life=options.life, node=options.node, here=self
        )
        self._traces = Traces()
        self._directory = Directory(
            self._streams,
            self._link,
            life=options.life,
            node=options.node,
            wall=self._wall,
            traces=self._traces,
            ask_holder=self._neighbours.ask_holder,
        )
        self._outbox = Outbox(
            local, self._streams, node=options.node, make_name=lambda: options.life
        )
        self._handed: dict[str, _Handed] = {}
        self._provisional: dict[str, str] = {}  # by device: sessions whose claim is to be made
        self._promised: dict[str, int] = {}  # by device: for how many more ticks
        self._saving: dict[str, _Saving] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticks = 0

    async def start(self, holder: Holder, window_s: float, elder: Elder | None = None) -> int:
        """Begin a node's life; see `LocalHub.start`. Raises StartError with what to do next."""
        self._holder = holder
        held = await self.local.start(holder, window_s, elder)
        await self._link.open()
        try:
            await self._make_streams()
            await self._neighbours.start()
        except BaseException:
            await self._link.close()
            raise
        self._peers.listen()
        await self._neighbours.beat(holder.load())
        return held

    async def stop(self, within_s: float) -> int:
        """Write what waits and leave; return how many writes could not be done."""
        left = await self._lanes.flush(within_s)
        await self._outbox.stop(within_s)
        if self._holder is not None:
            with suppress(TimeoutError, HubDownError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._neighbours.beat(self._holder.load(), leaves=True)
        await self.cut_off()
        return left + await self.local.stop(within_s)

    async def cut_off(self) -> None:
        """Be gone without a word."""
        await self._lanes.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._neighbours.stop()
        await self._link.close()

    async def claim(self, device_id: str, session_id: str) -> Claim:
        """Make this node's session the holder; see `port.Hub`.

        A round trip or two, and a living holder's answer. An engine that is away costs the device
        its connection, HubDownError, or its memory, as the options say.
        """
        taking = self._lanes.run(device_id, partial(self._take, device_id, session_id))
        return await asyncio.shield(taking)

    async def save(self, claim: Claim, state: bytes) -> None:
        """Keep a state; see `port.Hub`. While the engine is away the newest one waits."""
        check_size(state)
        saving = self._saving.get(claim.device_id)
        if (
            saving is not None
            and saving.claim.session_id == claim.session_id
            and saving.task is not None
            and self._lanes.is_last(claim.device_id, saving.task)
        ):
            saving.state = state
        else:
            saving = _Saving(claim, state)
            saving.task = self._lanes.run(
                claim.device_id, partial(self._save, saving), 200 + len(state)
            )
            self._saving[claim.device_id] = saving
        await asyncio.shield(saving.task)

    def release(
        self, claim: Claim, state: bytes | Amend | None, window_s: float
    ) -> asyncio.Future[None]:
        """Give a device back; see `port.Hub`."""
        size_bytes = 200
        if isinstance(state, bytes):
            check_size(state)
            size_bytes += len(state)
        self.local.release(claim, None, 0.0)
        try:
            releasing = self._lanes.run(
                claim.device_id, partial(self._release, claim, state, window_s), size_bytes
            )
        except HubDownError as error:
            done: asyncio.Future[None] = self._loop.create_future()
            done.set_exception(error)
        else:
            done = asyncio.shield(releasing)  # to cancel the future changes nothing
        done.add_done_callback(_heard)
        return done

    def hand_back(self, claim: Claim, session_id: str) -> None:
        """Undo a claim that came to nothing; see `port.Hub`."""
        self.local.hand_back(claim, session_id)
        with suppress(HubDownError):  # then it cannot save, and is told so
            self._lanes.run(claim.device_id, partial(self._hand_back, claim, session_id))

    async def send(self, device_id: str, payload: bytes, timeout_s: float) -> bytes:
        """Carry a command to a device wherever it is; see `port.Hub`."""
        with suppress(NotConnectedError):
            return await carry(self._holder, device_id, payload, timeout_s)
        deadline = self._loop.time() + timeout_s
        nobody = NotConnectedError(f"{device_id} is not connected")
        for from_leader in (False, True):
            _, owner = await self._directory.find(device_id, from_leader=from_leader)
            if owner is None or owner.is_released or self._peers.is_overdue(owner.life):
                raise nobody
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
            handed = self._handed.get(device_id)
            if handed is not None and handed.number == kept.sequence:
                session_id = handed.session_id
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
        own = () if self._holder is None else (self._holder.load(),)
        return sorted([*own, *self._peers.views()])

    def emit(self, device_id: str, kind: str, data: bytes) -> None:
        """Note an event in the node's file; from there it goes to the stream of all."""
        self.local.emit(device_id, kind, data)
        self._outbox.noted()

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
            is_down=writing.is_down or self._streams.trouble is not None or not self._link.is_up,
        )

    def each_second(self) -> None:
        """Tell how we are, count who is missing, and see to what is owed."""
        self.local.each_second()
        self._ticks += 1
        if not self._link.is_up or self._holder is None:
            return
        self._peers.tick()
        self._hold(self._beat(self._holder))
        self._outbox.each_second()
        self._see_to_promises(self._holder)
        for device_id, session_id in list(self._provisional.items()):
            if self._holder.describe(device_id) is None:
                continue  # its release will say what it leaves
            claim = Claim(device_id, session_id, 0, provisional=True)
            with suppress(HubDownError):
                self._lanes.run(device_id, partial(self._number, claim))

    async def let_go(self, device_id: str, number: int) -> None:
        """Another node wants a device that this one has by the claim; see `neighbours.Here`."""
        kept, owner = await self._lanes.run(
            device_id, lambda: self._directory.find(device_id, from_leader=True)
        )
        if self._holder is None or kept is None or owner is None:
            return
        if kept.sequence != number or owner.life != self._options.life:
            return  # an old question
        if self._holder.describe(device_id) is None:
            self._promised[device_id] = PROMISED_TICKS
        await self._holder.give_up(device_id)
        await self._lanes.passed(device_id)

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

    async def _take(self, device_id: str, session_id: str) -> Claim:
        try:
            claim = await self._directory.claim(
                device_id, session_id, self._options.claim_timeout_s
            )
        except HubDownError:
            if not self._options.lets_in_while_away:
                raise
            self._provisional[device_id] = session_id
            return Claim(device_id, session_id, 0, provisional=True)
        self._is_ours(device_id, session_id)
        return claim

    def _is_ours(self, device_id: str, session_id: str) -> None:
        for table in (self._promised, self._provisional, self._handed):
            table.pop(device_id, None)
        self.local.note_claim(device_id, session_id)

    async def _number(self, claim: Claim) -> int:
        """Return the number a session has the device by. Raises ReplacedError."""
        device_id = claim.device_id
        handed = self._handed.get(device_id)
        if handed is not None and claim.number <= handed.number:
            if handed.session_id != claim.session_id:
                raise ReplacedError(f"{device_id} is held by a newer session")
            return handed.number
        if claim.number:
            return claim.number
        if self._provisional.get(device_id) == claim.session_id:
            number = (await self._directory.claim(device_id, claim.session_id, None)).number
            self._is_ours(device_id, claim.session_id)
            self._handed[device_id] = _Handed(number, claim.session_id)
            return number
        number = await self._directory.number_of(device_id, claim.session_id)
        if not number:
            raise ReplacedError(f"{device_id} is held by a newer session")
        return number

    async def _save(self, saving: _Saving) -> None:
        device_id = saving.claim.device_id
        try:
            number = await self._number(saving.claim)
            kept: bytes | None = None
            while saving.state is not kept:
                kept = saving.state
                await self._directory.save(device_id, number, kept)
        finally:
            if self._saving.get(device_id) is saving:
                del self._saving[device_id]

    async def _release(self, claim: Claim, state: bytes | Amend | None, window_s: float) -> None:
        device_id = claim.device_id
        try:
            number = await self._number(claim)
        except ReplacedError:
            return
        await self._directory.release(device_id, number, state, window_s)
        handed = self._handed.get(device_id)
        if handed is not None and handed.number == number:
            del self._handed[device_id]

    async def _hand_back(self, claim: Claim, session_id: str) -> None:
        with suppress(ReplacedError):
            number = await self._number(claim)
            kept, owner = await self._directory.find_patiently(claim.device_id)
            if kept is not None and owner is not None and kept.sequence == number:
                self._handed[claim.device_id] = _Handed(number, session_id)

    async def _described_by(self, life: str, device_id: str) -> tuple[str, str] | None:
        if self._peers.is_overdue(life):
            return None
        try:
            answer = await self._neighbours.ask(life, "where", device_id, b"", WHERE_S)
        except NoAnswerError:
            return UNKNOWN, UNKNOWN
        if answer is None or answer.result != OK:
            return None
        state, _, health = answer.data.decode().partition("\n")
        return state, health

    def _see_to_promises(self, holder: Holder) -> None:
        for device_id, ticks in list(self._promised.items()):
            if holder.describe(device_id) is not None:
                del self._promised[device_id]
                self._hold(holder.give_up(device_id))
            elif ticks <= 1:
                del self._promised[device_id]
            else:
                self._promised[device_id] = ticks - 1

    async def _beat(self, holder: Holder) -> None:
        with suppress(HubDownError):
            await self._neighbours.beat(holder.load())

    def _on_connection_changed(self) -> None:
        if self._link.is_up:
            self._peers.listen()

    def _hold(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wall(self) -> float:
        return self._clock.now() + self._apart_s

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


def _heard(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()  # nobody has to wait for it
