"""The hub's twin: plain dictionaries, for tests and simulations; nothing outlives it."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.errors import ReplacedError
from keepline.hub.port import (
    Claim,
    Event,
    Known,
    Outcome,
    Tally,
    Totals,
    Whereabouts,
    Writing,
    carry,
    check_size,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepline.clock import Clock
    from keepline.hub.port import Amend, Holder, NodeView, Row


KEPT: Final = 1_000
"""Events, and devices with totals: a twin may live as long as a gateway in a test does."""


class _Kept(NamedTuple):
    state: bytes
    until: float | None  # on the monotonic clock: nothing here outlives the process


class TwinHub:
    """See `port.Hub`; every answer is there at once."""

    def __init__(self, clock: Clock, node: str = "node-1") -> None:
        self._clock = clock
        self._node = node
        self._holder: Holder | None = None
        self._numbers = 0
        self._held: dict[str, tuple[Claim, float]] = {}
        self._kept: dict[str, _Kept] = {}
        self._left_at: dict[str, float] = {}
        self._event_ids = 0
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._totals: dict[str, Totals] = {}
        self._rows: dict[tuple[float, int], Row] = {}
        self._memos: dict[str, bytes] = {}
        self._rtts: dict[str, tuple[int, float]] = {}

    async def start(self, holder: Holder, window_s: float) -> int:  # noqa: ARG002 (no former life)
        """Begin a node's life."""
        self._holder = holder
        return 0

    async def claim(self, device_id: str, session_id: str) -> Claim:
        """Make this node's session the holder; see `port.Hub`."""
        self._numbers += 1
        claim = Claim(device_id, session_id, self._numbers)
        kept = self._kept.get(device_id)
        if kept is not None and kept.until is not None and kept.until <= self._clock.now():
            del self._kept[device_id]
            claim = claim._replace(outcome=Outcome.EXPIRED)
        elif kept is not None:
            self._kept[device_id] = kept._replace(until=None)
            claim = claim._replace(outcome=Outcome.RESUMED, state=kept.state)
        self._held[device_id] = claim._replace(state=None), self._clock.wall()
        return claim

    async def save(self, claim: Claim, state: bytes) -> None:
        """Keep a state; see `port.Hub`."""
        check_size(state)
        if not self._holds(claim):
            raise ReplacedError(f"{claim.device_id} is held by a newer session")
        self._kept[claim.device_id] = _Kept(state, None)

    def release(
        self, claim: Claim, state: bytes | Amend | None, window_s: float
    ) -> asyncio.Future[None]:
        """Give a device back; see `port.Hub`."""
        if isinstance(state, bytes):
            check_size(state)
        if self._holds(claim):
            del self._held[claim.device_id]
            self._left_at.pop(claim.device_id, None)
            self._left_at[claim.device_id] = self._clock.now()
            if len(self._left_at) > KEPT:
                del self._left_at[next(iter(self._left_at))]
            kept = self._kept.pop(claim.device_id, None)
            saved = None if kept is None else kept.state
            left = state(saved) if callable(state) else saved if state is None else state
            if left:
                self._kept[claim.device_id] = _Kept(left, self._clock.now() + window_s)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def hand_back(self, claim: Claim, session_id: str) -> None:
        """Undo a claim that came to nothing; see `port.Hub`."""
        if self._holds(claim):
            held, since = self._held[claim.device_id]
            self._held[claim.device_id] = held._replace(session_id=session_id), since

    async def send(self, device_id: str, payload: bytes, timeout_s: float) -> bytes:
        """Carry a command to a device that is here; see `port.Hub`."""
        return await carry(self._holder, device_id, payload, timeout_s)

    async def where(self, device_id: str) -> Whereabouts | None:
        """Return who holds a device; see `port.Hub`."""
        described = self._holder.describe(device_id) if self._holder is not None else None
        if device_id not in self._held or described is None:
            return None
        claim, since = self._held[device_id]
        return Whereabouts(self._node, claim.number, claim.session_id, since, *described)

    async def known(self, within_s: float, after: str = "", limit: int = 1_000) -> Sequence[Known]:
        """Return who was here; see `port.Hub`."""
        now = self._clock.now()
        away = {device_id: now - at for device_id, at in self._left_at.items()}
        away |= dict.fromkeys(self._held, 0.0)
        chosen = (
            Known(device_id, away[device_id])
            for device_id in sorted(away)
            if device_id > after and away[device_id] <= within_s
        )
        return list(islice(chosen, limit))

    async def nodes(self) -> Sequence[NodeView]:
        """Return this node alone."""
        return () if self._holder is None else (self._holder.load(),)

    def emit(self, device_id: str, kind: str, data: bytes) -> None:
        """Note an event; see `port.Hub`."""
        self._event_ids += 1
        self._events.append(Event(self._event_ids, self._clock.wall(), device_id, kind, data))

    async def events(
        self, after: int = 0, *, limit: int = 100, device_id: str | None = None
    ) -> Sequence[Event]:
        """Return events; see `port.Hub`."""
        chosen = (
            event
            for event in self._events
            if event.id > after and device_id in {None, event.device_id}
        )
        return [event for event, _ in zip(chosen, range(limit), strict=False)]

    async def latest(
        self,
        before: int | None = None,
        *,
        limit: int = 100,
        device_id: str | None = None,
        kind: str | None = None,
    ) -> Sequence[Event]:
        """Return the newest events; see `port.Hub`."""
        chosen = (
            event
            for event in reversed(self._events)
            if (before is None or event.id < before)
            and device_id in {None, event.device_id}
            and kind in {None, event.kind}
        )
        return [event for event, _ in zip(chosen, range(limit), strict=False)]

    def tally(self, device_id: str, tally: Tally) -> None:
        """Add a session to its device's totals; see `port.Hub`."""
        pongs, rtt_sum_s = self._rtts.get(device_id, (0, 0.0))
        pongs, rtt_sum_s = pongs + tally.pongs, rtt_sum_s + tally.rtt_sum_s
        self._rtts[device_id] = pongs, rtt_sum_s
        while len(self._totals) > KEPT:
            forgotten = next(iter(self._totals))
            del self._totals[forgotten], self._rtts[forgotten]
        first_at = tally.at - tally.connected_s
        before = self._totals.get(device_id, Totals(first_at, 0.0, 0, 0, 0.0, 0, 0, None))
        self._totals[device_id] = Totals(
            before.first_at,
            tally.at,
            before.sessions + 1,
            before.resumed + tally.resumed,
            before.connected_s + tally.connected_s,
            before.pings + tally.pings,
            before.ping_failures + tally.ping_failures,
            rtt_sum_s / pongs if pongs else None,
        )

    async def totals(self, device_id: str) -> Totals | None:
        """Return a device's totals; see `port.Hub`."""
        return self._totals.get(device_id)

    def keep_rows(self, rows: Sequence[Row], kept: Mapping[float, tuple[int, int]]) -> None:
        """Keep rows; see `port.Hub`."""
        self._rows |= {(row.step_s, row.number): row for row in rows}
        for step_s, number in list(self._rows):
            first, last = kept.get(step_s, (0, -1))
            if not first <= number <= last:
                del self._rows[step_s, number]

    async def rows(self) -> Sequence[Row]:
        """Return every row; see `port.Hub`."""
        return [self._rows[key] for key in sorted(self._rows)]

    def keep_memo(self, name: str, data: bytes) -> None:
        """Keep a document; see `port.Hub`."""
        self._memos[name] = data

    async def memo(self, name: str) -> bytes | None:
        """Return a document; see `port.Hub`."""
        return self._memos.get(name)

    def writing(self) -> Writing:
        """Nothing ever waits."""
        return Writing(0, 0, 0, 0.0)

    def admits(self) -> bool:
        """Every answer is there at once."""
        return True

    def each_second(self) -> None:
        """Nothing here follows the wall clock."""

    def _holds(self, claim: Claim) -> bool:
        held = self._held.get(claim.device_id)
        return held is not None and held[0].session_id == claim.session_id
