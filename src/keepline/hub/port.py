"""The port between one node and the memory of all: nothing above it knows how many nodes there are.

A claim's number is the fencing token: it grows with every claim of any device and is never given
out twice, so whoever holds an older one can neither save nor release.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from keepline.errors import NoAnswerError, NotConnectedError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Mapping, Sequence

    from keepline.histogram import Histogram

STATE_BYTES = 131_072
"""What one device's saved state may take: its handler's snapshot and what was not yet delivered."""


def check_size(state: bytes) -> None:
    """Raise ValueError for a state beyond `STATE_BYTES`."""
    if len(state) > STATE_BYTES:
        raise ValueError(f"a state of {len(state)} bytes is beyond {STATE_BYTES}")


Amend: TypeAlias = "Callable[[bytes | None], bytes]"


class Outcome(StrEnum):
    """What a device that comes finds of itself."""

    NEW = "new"  # nothing was kept of it
    RESUMED = "resumed"  # its state is here
    EXPIRED = "expired"  # there was a state, but its window is over


class Claim(NamedTuple):
    """A device held by a node: `state` is what was saved last, None unless it is resumed.

    A `provisional` claim was given while the store could not be asked: what it had is not known.
    """

    device_id: str
    session_id: str
    number: int
    outcome: Outcome = Outcome.NEW
    state: bytes | None = None
    provisional: bool = False


class Whereabouts(NamedTuple):
    """Who holds a device, and how it is: `state` and `health` are asked of the holder."""

    node: str
    claim: int
    session_id: str
    since: float  # wall clock
    state: str
    health: str


class Known(NamedTuple):
    """A device that was here: `away_s` since it was given back, 0 while it is held."""

    device_id: str
    away_s: float


class NodeView(NamedTuple):
    """One node and its load."""

    name: str
    sessions: int
    limit: int
    draining: bool


class Event(NamedTuple):
    """Something that happened to a device (`device_id` may be empty), as JSON in `data`."""

    id: int
    at: float  # wall clock
    device_id: str
    kind: str
    data: bytes


class Tally(NamedTuple):
    """What one session adds to what is known of its device for good."""

    at: float  # wall clock, of its end
    connected_s: float
    resumed: bool
    pings: int
    ping_failures: int
    pongs: int
    rtt_sum_s: float


class Totals(NamedTuple):
    """All past sessions of one device; `average_rtt_s` is None without pongs."""

    first_at: float
    last_at: float
    sessions: int
    resumed: int
    connected_s: float
    pings: int
    ping_failures: int
    average_rtt_s: float | None


class Row(NamedTuple):
    """What a node measured of itself in one step of time; `number` is when, in steps."""

    step_s: float
    number: int
    data: bytes


class Writing(NamedTuple):
    """What waits to be written, and how long it took so far: from asking to commit, in all.

    `is_down` while what was tried last has failed; `latency` is one observation for each write.
    `own_lost` counts rows and memos that found no room, as `events_lost` does events.
    """

    waiting: int
    waiting_bytes: int
    written: int
    waited_s: float
    is_down: bool = False
    events_lost: int = 0
    latency: Histogram | None = None
    own_lost: int = 0


class Holder(Protocol):
    """The node as its hub sees it: whoever can be asked to give a device up, and how it is."""

    async def give_up(self, device_id: str) -> None:
        """Another node wants the device: end its session with `replaced`, its state saved first.

        It never raises and has a bound of its own.
        """

    async def command(self, device_id: str, payload: bytes) -> bytes:
        """Carry `payload` to the device's session.

        Raises NotConnectedError when it is not here, CommandError for what no device understands.
        """

    def describe(self, device_id: str) -> tuple[str, str] | None:
        """Return state and health of a device that is held here, else None."""

    def load(self) -> NodeView:
        """Return this node and its load."""


class Hub(Protocol):
    """Every method is safe to be cancelled; what was begun is done or not done, never half."""

    async def claim(self, device_id: str, session_id: str) -> Claim:
        """Make this node the device's holder: newest wins, another node's holder gives it up first.

        Of two sessions on one node the node itself knows both: what the older one has in memory,
        or is just giving back, is newer than the state that comes with the claim. A store that
        cannot be asked costs a device its memory, not its connection: the claim is provisional
        then. It need not be written yet when this returns; what follows is done behind it.
        """

    async def save(self, claim: Claim, state: bytes) -> None:
        """Keep `state` as the device's, acknowledged when this returns.

        Raises ReplacedError when a newer claim exists, HubDownError when it could not be kept,
        ValueError beyond `STATE_BYTES`.
        """

    def release(self, claim: Claim, state: bytes | Amend | None, window_s: float) -> Future[None]:
        """Give the device back and keep `state` for `window_s` seconds; done when that is kept.

        None keeps what was saved before, and b"" nothing. An `Amend` is given what was saved, None
        for nothing, and returns what is kept; it may be called in another thread, and twice. A
        replaced claim has nothing to give back, which is no error. The future may raise
        HubDownError; nobody has to wait for it.
        """

    def hand_back(self, claim: Claim, session_id: str) -> None:
        """Undo a claim that came to nothing: the session that had the device has it, under it.

        Nothing happens once a newer claim exists.
        """

    async def send(self, device_id: str, payload: bytes, timeout_s: float) -> bytes:
        """Carry a command to a device wherever it is, and return the answer.

        Raises NotConnectedError at once when nobody holds it, CommandError for what no device
        understands, NoAnswerError when it was sent and the outcome is unknown, HubDownError.
        """

    async def where(self, device_id: str) -> Whereabouts | None:
        """Return who holds the device, None for nobody. Raises HubDownError."""

    async def known(self, within_s: float, after: str = "", limit: int = 1_000) -> Sequence[Known]:
        """Return devices that are held or were within so many seconds, behind the id `after`.

        In the order of their ids. Who was held by a node that was killed is away since another has
        begun in its place. Raises HubDownError.
        """

    async def nodes(self) -> Sequence[NodeView]:
        """Return every node that is alive."""

    def emit(self, device_id: str, kind: str, data: bytes) -> None:
        """Note an event; it is written soon. What finds no room is counted in `events_lost`.

        So is what can never be written; what was noted beside it is written all the same.
        """

    def tally(self, device_id: str, tally: Tally) -> None:
        """Add a session to its device's totals, as `emit` notes an event."""

    async def totals(self, device_id: str) -> Totals | None:
        """Return what all its sessions come to; None for a device nobody knows. HubDownError."""

    async def events(
        self, after: int = 0, *, limit: int = 100, device_id: str | None = None
    ) -> Sequence[Event]:
        """Return events behind the id `after`, oldest first. Raises HubDownError."""

    async def latest(
        self,
        before: int | None = None,
        *,
        limit: int = 100,
        device_id: str | None = None,
        kind: str | None = None,
    ) -> Sequence[Event]:
        """Return events with ids below `before`, newest first. Raises HubDownError."""

    def keep_rows(self, rows: Sequence[Row], kept: Mapping[float, tuple[int, int]]) -> None:
        """Write rows as `emit` notes an event, and forget all outside `kept`.

        That has the first and last number that is kept, by step. Rows that find no room are
        counted in `own_lost`.
        """

    async def rows(self) -> Sequence[Row]:
        """Return every row that is kept, of each step in order. Raises HubDownError."""

    def keep_memo(self, name: str, data: bytes) -> None:
        """Keep a small document in place of the one of that name, as `keep_rows` writes rows."""

    async def memo(self, name: str) -> bytes | None:
        """Return what was kept by that name last, None for nothing. Raises HubDownError."""

    def writing(self) -> Writing:
        """Return how writing goes."""

    def each_second(self) -> None:
        """Do what has to be done from time to time; called about once a second."""


async def carry(holder: Holder | None, device_id: str, payload: bytes, timeout_s: float) -> bytes:
    """Carry a command to a device of this node; what `send` does where there is no other."""
    if holder is None:
        raise NotConnectedError(f"{device_id} is not connected")
    try:
        async with asyncio.timeout(timeout_s):
            return await holder.command(device_id, payload)
    except TimeoutError:
        raise NoAnswerError(f"{device_id} did not answer within {timeout_s:g} s") from None
