"""What outlives a connection: its device's claim, the state it left, what it was not told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import DecodeError, Struct, ValidationError, json, msgpack

from keepline.errors import HubError
from keepline.gateway.delivery import within_bounds
from keepline.gateway.registry import folded
from keepline.hub.port import STATE_BYTES, Claim, Outcome, Tally
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.calls import Calls
    from keepline.gateway.endings import Ending
    from keepline.gateway.registry import Registry
    from keepline.gateway.session import Session
    from keepline.hub.port import Amend, Hub
    from keepline.log import Log
    from keepline.settings.hub import Hub as HubSettings

FORGET: Final = b""
_LEAVES_NOTHING: Final = frozenset({CloseReason.REPLACED, CloseReason.REVOKED})


class Record(Struct, frozen=True, array_like=True, gc=False):
    """What a session leaves to the next: its handler's snapshot, and what the device never got."""

    snapshot: bytes | None
    undelivered: tuple[str, ...] = ()


_NOTHING: Final = Record(None)
_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Record).decode


class Memory:
    """One node's way to its hub, where a device has one name, however its id is spelled.

    What a leaving session has left is newer than what the hub answered while it left, so it is
    held here until the hub has it; and where a claim is under way, by which the hub may refuse it,
    until that has come to something or to nothing.
    """

    __slots__ = ("_claiming", "_expected", "_hub", "_log", "_parting", "_registry", "_window_s")

    def __init__(self, hub: Hub, settings: HubSettings, log: Log, registry: Registry) -> None:
        self._hub = hub
        self._registry = registry
        self._log = log
        self._window_s = settings.resume_window_s
        self._claiming: dict[str, int] = {}  # by device: asked for, and no session opened yet
        self._parting: dict[str, Record | tuple[str, ...]] = {}
        # By session: its snapshots that are on their way here, and which were overtaken.
        self._expected: dict[Calls, dict[asyncio.Future[bytes | None], bool]] = {}

    def __len__(self) -> int:
        """How many records are on their way to the hub."""
        return len(self._parting)

    async def claim(self, device_id: str, session_id: str) -> Claim:
        """Have the hub give the device to this session; see `hub.port.Hub`.

        What it returns is to be recollected or given back.
        """
        device_id = folded(device_id)
        self._claiming[device_id] = self._claiming.get(device_id, 0) + 1
        try:
            return await self._hub.claim(device_id, session_id)
        except BaseException:
            self.give_back(Claim(device_id, session_id, 0))  # it may have been given by now
            raise

    def give_back(self, claim: Claim) -> None:
        """Undo a claim that no session was opened with: a session that is here has the device.

        Without one, what was saved stays for its window, or what a session has left meanwhile.
        """
        self._settle(claim.device_id)
        session = self._registry.by_device(claim.device_id)
        if session is not None:
            self._hub.hand_back(claim, session.session_id)
            session.claim = max(session.claim, claim.number)
        elif (left := self._parting.get(claim.device_id)) is not None:
            self._give(claim, left)
        else:
            self._hub.release(claim, None, self._window_s)

    def _settle(self, device_id: str) -> None:
        left = self._claiming.pop(device_id, 1) - 1
        if left:
            self._claiming[device_id] = left

    def recollect(self, claim: Claim) -> Record | None:
        """Return what the device's last session left, None for nothing."""
        self._settle(claim.device_id)
        parting = self._parting.pop(claim.device_id, None)
        if isinstance(parting, Record):
            return None if parting == _NOTHING else parting
        try:
            saved = None if claim.state is None else _decode(claim.state)
        except (DecodeError, ValidationError) as error:
            self._log.error("state_unreadable", device_id=claim.device_id, error=error)
            saved = None
        if parting is None or (saved is None and not parting):
            return saved
        return Record(None if saved is None else saved.snapshot, parting)

    def came(self, session: Session) -> None:
        """Note that a device is here."""
        told = {
            "session_id": session.session_id,
            "claim": session.claim,
            "outcome": session.outcome,
        }
        self._hub.emit(folded(session.device_id), "online", json.encode(told))

    async def save(self, session: Session, snapshot: bytes) -> None:
        """Keep a snapshot while its session goes on; it is acknowledged when this returns.

        Raises ReplacedError, HubDownError, or ValueError for what is too large.
        """
        expected = self._expected.get(session, {})
        expected.update((answer, True) for answer in list(expected) if answer.done())
        await self.keep(session, snapshot)

    async def keep(self, session: Session, snapshot: bytes) -> None:
        """As `save`, for a snapshot that was asked for: it is older than those given after it."""
        state = _encode(Record(snapshot, within_bounds(session.undelivered())))
        if len(state) > STATE_BYTES:  # a snapshot this large leaves no room beside it
            state = _encode(Record(snapshot))
        await self._hub.save(claim_of(session), state)

    def expect(self, session: Calls, answer: asyncio.Future[bytes | None]) -> None:
        """A snapshot is asked for and to be kept, unless it was `overtaken` by then."""
        self._expected.setdefault(session, {})[answer] = False

    def overtaken(self, session: Calls, answer: asyncio.Future[bytes | None]) -> bool:
        """Return whether the handler has saved something since: that is newer, and stays."""
        expected = self._expected[session]
        is_overtaken = expected.pop(answer)
        if not expected:
            del self._expected[session]
        return is_overtaken

    def leave(self, session: Session, record: Record | None) -> None:
        """Give a device back; None leaves what was saved before."""
        if record is not None and record.undelivered:
            record = self._bounded(session, record)
        self._give(claim_of(session), record)

    def leave_messages(self, session: Session, undelivered: tuple[str, ...]) -> None:
        """Give a device back with what was saved before, and the messages it did not get.

        Those that were saved with the state it has had, or it has them here.
        """
        owed = self._bounded(session, Record(None, undelivered)).undelivered
        self._give(claim_of(session), owed)

    def _give(self, claim: Claim, left: Record | tuple[str, ...] | None) -> None:
        """Give a device back with what is left, which is here until the hub has it."""
        state: bytes | Amend | None = None
        if left == _NOTHING:
            state = FORGET
            if claim.device_id in self._claiming:  # by which the hub may refuse to forget
                self._parting[claim.device_id] = _NOTHING
        elif left is not None:
            self._parting[claim.device_id] = left
            state = _encode(left) if isinstance(left, Record) else partial(_with_messages, left)
        released = self._hub.release(claim, state, self._window_s)
        released.add_done_callback(partial(self._left, claim.device_id, left))

    def _bounded(self, session: Session, record: Record) -> Record:
        kept = within_bounds(record.undelivered)
        lost = len(record.undelivered) - len(kept)
        if lost:
            self._log.warning("messages_lost", device_id=session.device_id, count=lost)
        return Record(record.snapshot, kept)

    def _left(
        self,
        device_id: str,
        record: Record | tuple[str, ...] | None,
        released: asyncio.Future[None],
    ) -> None:
        # Under a claim that is newer the hub has refused it, and whoever claimed asks for it next.
        if self._parting.get(device_id) is record and device_id not in self._claiming:
            self._parting.pop(device_id, None)
        error = None if released.cancelled() else released.exception()
        if isinstance(error, HubError):
            self._log.error("state_lost", device_id=device_id, error=error)

    def each_second(self) -> None:
        """Let the hub look at the clock."""
        self._hub.each_second()

    def ended(self, session: Session, ending: Ending, told: dict[str, object]) -> None:
        """Note how a session ended, as it was `told`, and add it to its device's totals."""
        heartbeat = session.connection.heartbeat
        device_id = folded(session.device_id)
        self._hub.emit(device_id, "offline", ending.event(told))
        average_s = heartbeat.average_rtt_s
        pongs = heartbeat.pongs
        self._hub.tally(
            device_id,
            Tally(
                at=ending.at,
                connected_s=ending.age_s,
                resumed=session.outcome is Outcome.RESUMED,
                pings=heartbeat.pings,
                ping_failures=heartbeat.failures,
                pongs=pongs,
                rtt_sum_s=0.0 if average_s is None else average_s * pongs,
            ),
        )


def _with_messages(owed: tuple[str, ...], saved: bytes | None) -> bytes:
    try:
        record = Record(None) if saved is None else _decode(saved)
    except (DecodeError, ValidationError):
        record = Record(None)
    if record.snapshot is None and not owed:
        return FORGET
    state = _encode(Record(record.snapshot, owed))
    return state if len(state) <= STATE_BYTES else _encode(Record(record.snapshot))


def claim_of(session: Session) -> Claim:
    """Return the claim by which a session holds its device."""
    return Claim(folded(session.device_id), session.session_id, session.claim)


def leaves_a_record(reason: CloseReason) -> bool:
    """Return whether a session that ends so leaves something newer than what it saved.

    Else an heir has it already, or nobody should have it.
    """
    return reason not in _LEAVES_NOTHING
