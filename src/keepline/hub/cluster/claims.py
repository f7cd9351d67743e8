"""The claims of one node's sessions: each device's in the order of asking, see `lanes`.

Nothing is kept here of a device that is merely connected: its session knows the number of its
claim, the directory the rest. What stands in the tables is rare, and goes with the next claim.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.errors import HubDownError, ReplacedError
from keepline.hub.port import Claim, check_size
from keepline.lifecycle.states import State

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from keepline.hub.cluster.directory import Directory
    from keepline.hub.cluster.lanes import Lanes
    from keepline.hub.cluster.records import Owner
    from keepline.hub.cluster.stream import Found, Kept
    from keepline.hub.cluster.sweep import Fate
    from keepline.hub.local import LocalHub
    from keepline.hub.port import Amend, Holder

PROMISED_TICKS: Final = 15
"""A claim that another node took before its session began: so long that session may yet come."""

BEGUN: Final = frozenset({State.ACTIVE.value, State.IDLE.value})


class _Handed(NamedTuple):
    """A claim that came to nothing: the session that had the device goes on under its number."""

    number: int
    session_id: str


class _Provisional(NamedTuple):
    """A session that has its device while the engine could not be asked, since then."""

    session_id: str
    since: float  # wall clock


class _Saving:
    """A state that waits to be kept: a newer one of the same session takes its place."""

    __slots__ = ("claim", "state", "task")

    def __init__(self, claim: Claim, state: bytes) -> None:
        self.claim = claim
        self.state = state
        self.task: asyncio.Task[None] | None = None


class Claims:
    """Takes, keeps and gives back; `elder` is the life that is leaving in an upgrade, if any."""

    def __init__(
        self,
        local: LocalHub,
        directory: Directory,
        lanes: Lanes,
        *,
        life: str,
        node: str,
        within_s: float,
        lets_in_while_away: bool,
    ) -> None:
        self.life = life
        self.elder = ""
        self.window_s = 0.0
        self.holder: Holder | None = None
        self._node = node
        self._local = local
        self._directory = directory
        self._lanes = lanes
        self._within_s = within_s
        self._lets_in_while_away = lets_in_while_away
        self._loop = asyncio.get_running_loop()
        self._handed: dict[str, _Handed] = {}
        self._provisional: dict[str, _Provisional] = {}  # whose claim is to be made, by device
        self._making_up: set[str] = set()  # devices whose claim is just being made
        self._tasks: set[asyncio.Task[None]] = set()
        self._promised: dict[str, int] = {}  # by device: for how many more ticks
        self._saving: dict[str, _Saving] = {}

    async def claim(self, device_id: str, session_id: str) -> Claim:
        """Make this node's session the holder; see `port.Hub`.

        A round trip or two, and a living holder's answer. An engine that is away costs the device
        its connection, HubDownError, or its memory, as the options say.
        """
        if self._lets_in_while_away:
            try:
                async with asyncio.timeout(self._within_s):
                    await self._lanes.passed(device_id)
            except TimeoutError:  # what it left before waits for the engine
                return self._provisionally(device_id, session_id)
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
            self._lanes.grow(saving.task, len(state) - len(saving.state))
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
        self._local.release(claim, None, 0.0)
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
        self._local.hand_back(claim, session_id)
        with suppress(HubDownError):  # then it cannot save, and is told so
            self._lanes.run(claim.device_id, partial(self._hand_back, claim, session_id))

    def owes(self, device_id: str) -> bool:
        """Return whether a session here still waits for its claim."""
        return device_id in self._provisional

    def session_of(self, device_id: str, number: int) -> str | None:
        """Return who goes on under a claim that came to nothing, None for who made it."""
        handed = self._handed.get(device_id)
        return handed.session_id if handed is not None and handed.number == number else None

    async def let_go(self, device_id: str, number: int) -> None:
        """Another node wants a device that this one has by the claim; see `neighbours.Here`."""
        kept, owner = await self._lanes.run(
            device_id, lambda: self._directory.find(device_id, from_leader=True)
        )
        if self.holder is None or kept is None or owner is None:
            return
        if kept.sequence != number or owner.life != self.life:
            return  # an old question
        self._promised[device_id] = PROMISED_TICKS  # who is here may be the one before it
        await self.holder.give_up(device_id)
        await self._lanes.passed(device_id)

    def each_tick(self, holder: Holder) -> None:
        """Close who came too late, and claim for whom that could not be done before."""
        for device_id, (session_id, _) in list(self._provisional.items()):
            if device_id in self._making_up:
                continue
            if holder.describe(device_id) is not None:  # else its release says what it leaves
                self._making_up.add(device_id)
                self._hold(self._make_up(holder, device_id, session_id))
        for device_id, ticks in list(self._promised.items()):
            described = holder.describe(device_id)
            if described is not None and described[0] in BEGUN:
                del self._promised[device_id]
                self._hold(holder.give_up(device_id))
            elif ticks <= 1:
                del self._promised[device_id]
            else:
                self._promised[device_id] = ticks - 1

    async def stop(self) -> None:
        """Look after nothing any more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def find(self, device_id: str) -> tuple[Kept | None, Owner | None]:
        """Read an owner record; see `upkeep.Holding`."""
        return await self._directory.find(device_id)

    def is_ours(self, owner: Owner | None) -> bool:
        """Return whether this life has the device; see `upkeep.Holding`."""
        return owner is not None and owner.life == self.life

    async def settle(self, device_id: str, session_id: str) -> None:
        """Close a device that was lost, tell the engine of one that it has lost."""
        kept, owner = await self._lanes.run(
            device_id, lambda: self._directory.find(device_id, from_leader=True)
        )
        if self.holder is None or self.holder.describe(device_id) is None:
            return
        if kept is None:
            self._handed.pop(device_id, None)
            self._provisional[device_id] = _Provisional(session_id, self._directory.wall())
        elif not self.is_ours(owner):
            await self.holder.give_up(device_id)

    async def bury(self, device_id: str) -> None:
        """Give back what a former life of this node had; see `upkeep.Holding`."""
        living = {"", self.elder, self.life}
        await self._lanes.run(
            device_id,
            lambda: self._directory.bury(
                device_id,
                lambda owner: owner.node == self._node and owner.life not in living,
                self.window_s,
            ),
        )

    async def lay_to_rest(self, device_id: str, found: Found, owner: Owner, fate: Fate) -> None:
        """Do what a sweep has found to be done; see `sweep.Undertaker`."""
        if fate.is_buried:
            await self._lanes.run(
                device_id,
                lambda: self._directory.bury(
                    device_id, lambda now: now.life == owner.life, self.window_s
                ),
            )
        elif fate.is_forgotten:
            forget = self._directory.forget
            await self._lanes.run(device_id, lambda: forget(device_id, found.sequence, owner))
        else:
            remove = self._directory.remove
            await self._lanes.run(device_id, lambda: remove(device_id, found.sequence))

    async def _take(self, device_id: str, session_id: str) -> Claim:
        try:
            claim = await self._directory.claim(device_id, session_id, self._within_s)
        except HubDownError:
            if not self._lets_in_while_away:
                raise
            return self._provisionally(device_id, session_id)
        self._is_ours(device_id, session_id)
        return claim

    def _provisionally(self, device_id: str, session_id: str) -> Claim:
        self._promised.pop(device_id, None)
        self._provisional[device_id] = _Provisional(session_id, self._directory.wall())
        return Claim(device_id, session_id, 0, provisional=True)

    def _is_ours(self, device_id: str, session_id: str) -> None:
        for table in (self._promised, self._provisional, self._handed):
            table.pop(device_id, None)
        self._local.note_claim(device_id, session_id)

    async def _number(self, claim: Claim) -> int:
        """Return the number a session has the device by. Raises ReplacedError."""
        device_id = claim.device_id
        provisional = self._provisional.get(device_id)
        if provisional is not None and provisional.session_id == claim.session_id:
            number = await self._directory.claim_since(device_id, *provisional)
            if self._provisional.get(device_id) is provisional:  # else it has come again since
                self._is_ours(device_id, claim.session_id)
            self._handed[device_id] = _Handed(number, claim.session_id)
            return number
        handed = self._handed.get(device_id)
        if handed is not None:
            if handed.session_id != claim.session_id:
                raise ReplacedError(f"{device_id} is held by a newer session")
            return handed.number
        if claim.number:
            return claim.number
        number = await self._directory.number_of(device_id, claim.session_id)
        if not number:
            raise ReplacedError(f"{device_id} is held by a newer session")
        return number

    async def _make_up(self, holder: Holder, device_id: str, session_id: str) -> None:
        claim = Claim(device_id, session_id, 0, provisional=True)
        try:
            await self._lanes.run(device_id, partial(self._number, claim))
        except ReplacedError:  # somebody came later, to another node
            self._provisional.pop(device_id, None)
            await holder.give_up(device_id)
        except HubDownError:
            return  # at the next tick
        finally:
            self._making_up.discard(device_id)

    def _hold(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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


def _heard(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()  # nobody has to wait for it
