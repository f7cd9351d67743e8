"""The hub of one node: a SQLite file, or nothing but memory's place on a disk."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from keepline.errors import HubDownError
from keepline.hub.known import ReadKnown
from keepline.hub.memos import KeepMemo, ReadMemo
from keepline.hub.numbers import Numbers
from keepline.hub.operations import (
    PRUNE_ROWS,
    AddTally,
    FindOwner,
    HandBack,
    NoteClaim,
    NoteEvent,
    Prune,
    ReadEvents,
    ReadLatest,
    ReadTotals,
    ReleaseClaim,
    SaveState,
    ShiftWindows,
    TakeClaim,
    TakeOver,
)
from keepline.hub.port import Claim, Whereabouts, Writing, carry, check_size
from keepline.hub.rows import KeepRows, ReadRows
from keepline.hub.traces import FindTraces, Traces
from keepline.hub.writer import ALL, Writer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from keepline.clock import Clock
    from keepline.hub.database import Database
    from keepline.hub.port import Amend, Event, Holder, Known, NodeView, Row, Tally, Totals

JUMP_S: Final = 2.0
"""What the wall clock may go apart from the monotonic one in a second: more is a jump."""


PRUNE_EACH_S: Final = 10.0
"""Sooner, each second, while there is more to forget than goes at once."""

PRUNE_LATER_S: Final = 4 * PRUNE_EACH_S
"""While `may_wait` says that there is better to do."""


class Retention(NamedTuple):
    """How much is kept: nothing older than `age_s`, and events up to a number, a file's bytes."""

    age_s: float
    events: int
    bytes: int


class Elder(Protocol):
    """A process that leaves, and until it has left holds devices under the same file."""

    name: str

    async def give_up(self, device_id: str) -> None:
        """Have it end its session of a device, if it has one, with all it leaves written.

        It never raises and has a bound of its own.
        """


class LocalHub:
    """See `port.Hub`. `events_lost` counts events that found no room, or could never be written.

    `own_lost` counts what the node wanted to keep of itself, rows and memos, and found no room.

    `node` is the name of one life of one process. While an elder leaves there are two on one file:
    what each writes is a transaction of its own, claims are numbered by the file, and one of the
    two `keeps_house`, which forgets what is to be forgotten.
    """

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
        clock: Clock,
        retention: Retention,
        on_trouble: Callable[[Exception | None], None],
    ) -> None:
        self.events_lost = 0
        self.own_lost = 0
        self.keeps_house = True
        self.may_wait: Callable[[], bool] = lambda: False  # whether there is better to do now
        self.on_dropped: Callable[[int, Exception | None], None] = lambda _count, _error: None
        self._dropped = database.dropped
        self._elder: Elder | None = None
        self._retention = retention
        self._prune_at = clock.now() + PRUNE_EACH_S
        self._database = database
        self._node = node
        self._clock = clock
        self._loop = loop
        self._executor = executor
        self._writer = Writer(database, loop=loop, executor=executor, on_trouble=on_trouble)
        self._numbers = Numbers(self._writer.ask)
        self._traces = Traces()
        self._refused: dict[str, TakeClaim] = {}  # by device; made up for when there is room again
        self._holder: Holder | None = None
        self._apart_s = self._least_apart_s = clock.wall() - clock.now()

    @property
    def waiting(self) -> int:
        """How many writes are not done yet."""
        return len(self._writer)

    @property
    def trouble(self) -> Exception | None:
        """Why the store cannot be written now, None when it can."""
        return self._writer.trouble

    async def start(self, holder: Holder, window_s: float, elder: Elder | None = None) -> int:
        """Begin a node's life; return how many devices a former life held that ended unasked.

        Their windows of `window_s` begin now: nobody knows when that life ended. What the `elder`
        holds is left to it, and asked of it when its device comes here.
        """
        self._holder = holder
        self._elder = elder
        living = "" if elder is None else elder.name
        now = self._wall()
        taken = self._writer.ask(TakeOver(living, now, now + window_s))
        if elder is None:
            await self.be_alone()
        return cast("int", await taken)

    async def outlive(self, window_s: float) -> int:
        """The elder has ended: return how many devices it held to the end, which wait from now."""
        self._elder = None
        now = self._wall()
        taken = self._writer.ask(TakeOver(self._node, now, now + window_s))
        await self.be_alone()
        return cast("int", await taken)

    async def be_alone(self) -> None:
        """No other process claims devices in this file: claims are numbered here from now on.

        And of whom nothing is kept is known, so that such a claim has to wait for nothing. Raises
        HubDownError, and leaves it to the file then.
        """
        self._database.is_shared = False
        await self._writer.ask(FindTraces(self._traces))
        if not self._database.is_shared:
            await self._numbers.begin()

    def share(self) -> None:
        """Another process will claim devices, too: only the file knows what is next, and is kept.

        To be called before that process begins.
        """
        self._database.is_shared = True
        self._numbers.share()

    async def claim(self, device_id: str, session_id: str) -> Claim:
        """Make this node's session the holder; see `port.Hub`."""
        if self._elder is not None:
            await self._elder.give_up(device_id)
        self._refused.pop(device_id, None)
        number, now = self._numbers.take(), self._wall()
        if isinstance(number, int) and number and device_id not in self._traces:
            noted = NoteClaim(device_id, number, self._node, session_id, now)
            if self._writer.note(noted, ALL):
                return Claim(device_id, session_id, number)
        taking = TakeClaim(device_id, self._node, session_id, now, number)
        try:
            answer = self._writer.ask(taking, patient=False)
        except HubDownError:
            self._refused[device_id] = taking
        else:
            with suppress(HubDownError):  # it is done some day
                return cast("Claim", await answer)
        return Claim(device_id, session_id, 0, provisional=True)

    async def save(self, claim: Claim, state: bytes) -> None:
        """Keep a state; see `port.Hub`."""
        check_size(state)
        self._traces.leave(claim.device_id)
        self._make_up_for_refused()
        now = self._wall()
        await self._writer.ask(SaveState(claim.device_id, claim.session_id, now, state))

    def release(
        self, claim: Claim, state: bytes | Amend | None, window_s: float
    ) -> asyncio.Future[None]:
        """Give a device back; see `port.Hub`."""
        if isinstance(state, bytes):
            check_size(state)
        if state:
            self._traces.leave(claim.device_id)
        self._make_up_for_refused()
        now = self._wall()
        releasing = ReleaseClaim(claim.device_id, claim.session_id, now, now + window_s, state)
        try:
            return cast("asyncio.Future[None]", self._writer.ask(releasing))
        except HubDownError as error:
            if self._is_refused(claim):
                del self._refused[claim.device_id]
            done: asyncio.Future[None] = self._loop.create_future()
            done.set_exception(error)
            done.exception()  # nobody has to wait for it
            return done

    def hand_back(self, claim: Claim, session_id: str) -> None:
        """Undo a claim that came to nothing; see `port.Hub`."""
        self._make_up_for_refused()
        if self._is_refused(claim):
            refused = self._refused[claim.device_id]
            # Not merely forgotten: the claim of who has the device may have found no room, either.
            self._refused[claim.device_id] = refused._replace(session_id=session_id)
            return
        with suppress(HubDownError):  # then it cannot save, and is told so
            self._writer.ask(HandBack(claim.device_id, claim.session_id, session_id))

    async def send(self, device_id: str, payload: bytes, timeout_s: float) -> bytes:
        """Carry a command to a device that is here; see `port.Hub`."""
        return await carry(self._holder, device_id, payload, timeout_s)

    async def where(self, device_id: str) -> Whereabouts | None:
        """Return who holds a device; see `port.Hub`."""
        found = await self._writer.look(FindOwner(device_id))
        described = self._holder.describe(device_id) if self._holder is not None else None
        if found is None or described is None:
            return None
        node, number, session_id, since = cast("tuple[str, int, str, float]", found)
        if node != self._node:
            return None  # its connection here lingers, and another process has it
        return Whereabouts(node, number, session_id, since, *described)

    async def known(self, within_s: float, after: str = "", limit: int = 1_000) -> Sequence[Known]:
        """Return who was here; see `port.Hub`."""
        now = self._wall()
        return cast(
            "list[Known]", await self._writer.look(ReadKnown(now, now - within_s, after, limit))
        )

    async def nodes(self) -> Sequence[NodeView]:
        """Return this node alone."""
        return () if self._holder is None else (self._holder.load(),)

    def emit(self, device_id: str, kind: str, data: bytes) -> None:
        """Note an event; see `port.Hub`."""
        if not self._writer.note(NoteEvent(self._clock.wall(), device_id, kind, data)):
            self.events_lost += 1

    def tally(self, device_id: str, tally: Tally) -> None:
        """Add a session to its device's totals; see `port.Hub`."""
        if not self._writer.note(AddTally(device_id, tally)):
            self.events_lost += 1

    async def totals(self, device_id: str) -> Totals | None:
        """Return a device's totals; see `port.Hub`."""
        return cast("Totals | None", await self._writer.look(ReadTotals(device_id)))

    async def events(
        self, after: int = 0, *, limit: int = 100, device_id: str | None = None
    ) -> Sequence[Event]:
        """Return events; see `port.Hub`."""
        read = ReadEvents(after, limit, device_id)
        return cast("list[Event]", await self._writer.look(read))

    async def latest(
        self,
        before: int | None = None,
        *,
        limit: int = 100,
        device_id: str | None = None,
        kind: str | None = None,
    ) -> Sequence[Event]:
        """Return the newest events; see `port.Hub`."""
        read = ReadLatest(before, limit, device_id, kind)
        return cast("list[Event]", await self._writer.look(read))

    def keep_rows(self, rows: Sequence[Row], kept: Mapping[float, tuple[int, int]]) -> None:
        """Write rows; see `port.Hub`."""
        if not self._writer.note(KeepRows(rows, kept)):
            self.own_lost += len(rows)

    async def rows(self) -> Sequence[Row]:
        """Return every row; see `port.Hub`."""
        return cast("list[Row]", await self._writer.look(ReadRows()))

    def keep_memo(self, name: str, data: bytes) -> None:
        """Keep a document; see `port.Hub`."""
        if not self._writer.note(KeepMemo(name, data)):
            self.own_lost += 1

    async def memo(self, name: str) -> bytes | None:
        """Return a document; see `port.Hub`."""
        return cast("bytes | None", await self._writer.look(ReadMemo(name)))

    def writing(self) -> Writing:
        """Return how writing goes; see `port.Hub`."""
        writer = self._writer
        return Writing(
            len(writer),
            writer.waiting_bytes,
            writer.written,
            writer.latency.sum,
            writer.trouble is not None,
            self.events_lost,
            writer.latency,
            self.own_lost,
        )

    def each_second(self) -> None:
        """Keep windows true when the wall clock is set, and forget what is to be forgotten."""
        self._count_dropped()
        self._make_up_for_refused()
        now, wall = self._clock.now(), self._clock.wall()
        jumped_s = wall - now - self._apart_s
        is_jump = abs(jumped_s) >= JUMP_S
        # Two that share a file compare when they were asked for a device: neither steps alone.
        if is_jump or not (self._database.is_shared or self._elder is not None):
            self._apart_s = wall - now
        self._least_apart_s = min(self._least_apart_s, wall - now)
        if not self.keeps_house:
            return
        if is_jump:
            self._writer.note(ShiftWindows(jumped_s))
        if now >= self._prune_at:
            self._prune_at = now + (PRUNE_LATER_S if self.may_wait() else PRUNE_EACH_S)
            self._prune(wall, now + self._least_apart_s - self._retention.age_s)

    def _is_refused(self, claim: Claim) -> bool:
        refused = self._refused.get(claim.device_id)
        return refused is not None and refused.session_id == claim.session_id

    def _make_up_for_refused(self) -> None:
        """Write the claims that found no room: nothing of their sessions can be kept before."""
        while self._refused:
            device_id, taking = next(iter(self._refused.items()))
            # By now there may be a block before it in the queue: it is not to be above that.
            number = taking.number or self._numbers.take()
            self._refused[device_id] = taking = taking._replace(number=number)
            if not self._writer.note(taking, ALL):
                return
            del self._refused[device_id]

    def _count_dropped(self) -> None:
        count = self._database.dropped - self._dropped
        if count:
            self._dropped += count
            self.events_lost += count
            self.on_dropped(count, self._database.dropped_because)

    def _wall(self) -> float:
        """Return the time in which windows are kept: a jump counts once `each_second` has seen it.

        By then it moves all windows; one that had begun after the jump would be moved wrongly.
        """
        return self._clock.now() + self._apart_s

    def _prune(self, wall: float, older_than: float) -> None:
        """Forget: nothing is old because a clock was set forward, perhaps by mistake."""
        kept = self._retention
        with suppress(HubDownError):  # it has other cares
            pruning = self._writer.ask(Prune(wall, older_than, kept.events, kept.bytes))
            pruning.add_done_callback(self._on_pruned)

    def _on_pruned(self, done: asyncio.Future[object]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        if cast("int", done.result()) >= PRUNE_ROWS:
            self._prune_at = self._clock.now()

    async def stop(self, within_s: float) -> int:
        """Write what waits and close; return how many writes could not be done."""
        left = await self._writer.flush(within_s)
        self._writer.stop()
        await self._loop.run_in_executor(self._executor, self._database.close)
        return left
