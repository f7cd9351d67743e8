"""Who holds which device, in the streams: taken and given back by compare-and-set.

The sequence of a device's owner record is the claim's number. What it left is written under it
alone: the engine refuses a state when the owner record is not that one any more. So a state that
is there belongs to whoever holds the device; an empty one is none.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from msgspec.structs import replace

from keepline.errors import HubDownError, ReplacedError
from keepline.hub.cluster.records import DEVICES, OWN, STATE, Owner, encode, read_owner, token
from keepline.hub.cluster.stream import Fence
from keepline.hub.port import Claim, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keepline.hub.cluster.link import Link
    from keepline.hub.cluster.stream import Kept, Streams
    from keepline.hub.port import Amend
    from keepline.hub.traces import Traces

T = TypeVar("T")

SOME: Final = b"="
"""What stands before a state: a record with nothing in it says that there is none."""

PAUSE_FIRST_S: Final = 0.05
PAUSE_MOST_S: Final = 2.0
LOOK_S: Final = 5.0
ASK_AGAIN_S: Final = 0.1
"""Until a silent holder is asked again, or is known to be dead."""


class Yield(Enum):
    """What comes of asking a holder for a device."""

    GIVEN = "given"  # it has given it up, or has not had it
    DEAD = "dead"  # nobody will answer any more
    SILENT = "silent"  # it may be busy, or cut off: to be asked again


class AskHolder(Protocol):
    """Asks the node that holds a device to give it up; never raises."""

    async def __call__(self, owner: Owner, number: int, device_id: str) -> Yield:
        """Ask it once."""


class Directory:
    """One life's view; every method is for one device at a time, see `lanes`."""

    def __init__(
        self,
        streams: Streams,
        link: Link,
        *,
        life: str,
        node: str,
        wall: Callable[[], float],
        traces: Traces,
        ask_holder: AskHolder,
    ) -> None:
        self.life = life
        self._streams = streams
        self._link = link
        self._node = node
        self.wall = wall
        self._traces = traces
        self._ask_holder = ask_holder
        self._loop = asyncio.get_running_loop()

    async def claim(self, device_id: str, session_id: str, within_s: float | None) -> Claim:
        """Take a device: newest wins, and a living holder gives it up first.

        Raises HubDownError when that has come to nothing within the time; None is for ever.
        """
        deadline = None if within_s is None else self._loop.time() + within_s
        mine = Owner(self.life, self._node, session_id, self.wall())
        number, before = await self._take(device_id, mine, deadline)
        claim = Claim(device_id, session_id, number)
        if before is None or (before.is_released and not before.keeps):
            return claim
        self._traces.leave(device_id)
        state = await self._patiently(lambda: self._state(device_id), deadline)
        if state is None:
            return claim
        if before.is_released and before.is_over(self.wall()):
            await self._patiently(lambda: self._write_state(device_id, number, None), deadline)
            return claim._replace(outcome=Outcome.EXPIRED)
        return claim._replace(outcome=Outcome.RESUMED, state=state)

    async def claim_since(self, device_id: str, session_id: str, since: float) -> int:
        """Take a device for a session that has had it since then; return the number.

        Raises ReplacedError when somebody living has it who came later.
        """
        mine = Owner(self.life, self._node, session_id, since)
        number, before = await self._take(device_id, mine, None, is_late=True)
        if before is not None:
            self._traces.leave(device_id)
        return number

    async def save(self, device_id: str, number: int, state: bytes) -> None:
        """Keep a state; tried until it is kept or refused. Raises ReplacedError."""
        self._traces.leave(device_id)
        if await self._patiently(lambda: self._write_state(device_id, number, state)) is None:
            raise ReplacedError(f"{device_id} is held by a newer session")

    async def release(
        self, device_id: str, number: int, state: bytes | Amend | None, window_s: float
    ) -> None:
        """Give a device back with what it leaves; tried until it is done, or was replaced."""
        since = self.wall()
        if callable(state):
            saved = None
            if device_id in self._traces:
                saved = await self._patiently(lambda: self._state(device_id))
            state = state(saved)
        may_have_some = device_id in self._traces
        if state or (state is not None and may_have_some):
            self._traces.leave(device_id)
            left = state or None
            if await self._patiently(lambda: self._write_state(device_id, number, left)) is None:
                return
        keeps = bool(state) if state is not None else may_have_some
        owner = Owner("", self._node, "", since, window_s, keeps)
        await self._patiently(lambda: self._write_owner(device_id, number, owner))

    async def bury(self, device_id: str, former: Callable[[Owner], bool], window_s: float) -> None:
        """Give back what a former life had, with what it had saved. Raises HubDownError."""
        kept, owner = await self.find(device_id, from_leader=True)
        if kept is not None and owner is not None and former(owner):
            released = Owner("", self._node, "", self.wall(), window_s, keeps=True)
            await self._write_owner(device_id, kept.sequence, released)

    async def forget(self, device_id: str, sequence: int, owner: Owner) -> None:
        """Keep no longer what a device left. Raises HubDownError."""
        if await self._write_state(device_id, sequence, None) is not None:
            await self._write_owner(device_id, sequence, replace(owner, keeps=False))

    async def remove(self, device_id: str, sequence: int) -> None:
        """Have no record of a device that has left nothing. Raises HubDownError."""
        state = await self._streams.read(DEVICES, STATE + token(device_id), from_leader=True)
        if state is not None and not state.data:
            await self._streams.delete(DEVICES, state.sequence)
        await self._streams.delete(DEVICES, sequence)

    async def number_of(self, device_id: str, session_id: str) -> int:
        """Return the number of a session's claim, 0 when it has none (any more).

        Such a claim may have ended before it was known what the device had left.
        """
        self._traces.leave(device_id)
        kept, owner = await self._patiently(lambda: self.find(device_id, from_leader=True))
        mine = owner is not None and (owner.life, owner.session) == (self.life, session_id)
        return kept.sequence if kept is not None and mine else 0

    async def find(
        self, device_id: str, *, from_leader: bool = False
    ) -> tuple[Kept | None, Owner | None]:
        """Read a device's owner record. Raises HubDownError."""
        subject = OWN + token(device_id)
        kept = await self._streams.read(DEVICES, subject, from_leader=from_leader)
        return kept, None if kept is None else read_owner(kept.data)

    async def find_patiently(self, device_id: str) -> tuple[Kept | None, Owner | None]:
        """Read a device's owner record from the leader, whenever that can be read."""
        return await self._patiently(lambda: self.find(device_id, from_leader=True))

    async def _take(
        self, device_id: str, mine: Owner, deadline: float | None, *, is_late: bool = False
    ) -> tuple[int, Owner | None]:
        """Return the number, and the record that was there before."""
        before: Owner | None = None
        agreed, pause_s, from_leader = 0, PAUSE_FIRST_S, False
        while True:
            try:
                kept, owner = await self.find(device_id, from_leader=from_leader)
                from_leader = True
                if kept is not None and owner == mine:  # of a write whose answer was lost
                    return kept.sequence, before
                if is_late and owner is not None and self._came_later(owner, mine):
                    raise ReplacedError(f"{device_id} is held by a newer session")
                before, sequence = owner, 0 if kept is None else kept.sequence
                if owner is not None and self._is_anothers(owner) and sequence != agreed:
                    asked = await self._ask_holder(owner, sequence, device_id)
                    if asked is not Yield.SILENT:
                        agreed = sequence
                    if asked is Yield.GIVEN:
                        continue  # it may have released it meanwhile
                    if asked is Yield.SILENT:
                        await self._pause(ASK_AGAIN_S, deadline)
                        continue
                number = await self._write_owner(device_id, sequence, mine)
                if number is not None:
                    return number, before
            except HubDownError:
                await self._pause(pause_s, deadline)
                pause_s = min(PAUSE_MOST_S, pause_s * 2)

    def _came_later(self, owner: Owner, mine: Owner) -> bool:
        return self._is_anothers(owner) and owner.since > mine.since

    def _is_anothers(self, owner: Owner) -> bool:
        return not owner.is_released and owner.life != self.life

    async def _state(self, device_id: str) -> bytes | None:
        kept = await self._streams.read(DEVICES, STATE + token(device_id), from_leader=True)
        return kept.data[1:] if kept is not None and kept.data else None

    async def _write_state(self, device_id: str, number: int, state: bytes | None) -> int | None:
        name = token(device_id)
        fence = Fence(OWN + name, number)
        data = b"" if state is None else SOME + state
        return await self._streams.write(DEVICES, STATE + name, data, fence=fence)

    async def _write_owner(self, device_id: str, number: int, owner: Owner) -> int | None:
        subject = OWN + token(device_id)
        fence = Fence(subject, number)
        return await self._streams.write(DEVICES, subject, encode(owner), fence=fence)

    async def _pause(self, pause_s: float, deadline: float | None) -> None:
        """Wait a little, at least until there is a connection. Raises HubDownError at the end."""
        left_s = LOOK_S if deadline is None else deadline - self._loop.time()
        if left_s <= 0:
            raise HubDownError(f"the device was not given here in time: {self._streams.trouble}")
        if self._link.is_up:
            await asyncio.sleep(min(pause_s, left_s))
        else:
            await self._link.until_up(left_s)
            await asyncio.sleep(min(PAUSE_FIRST_S, left_s))

    async def _patiently(
        self, attempt: Callable[[], Awaitable[T]], deadline: float | None = None
    ) -> T:
        """Try until it is done. Raises HubDownError at the deadline."""
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                return await attempt()
            except HubDownError:
                await self._pause(pause_s, deadline)
                pause_s = min(PAUSE_MOST_S, pause_s * 2)
