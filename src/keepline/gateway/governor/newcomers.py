"""Who asks to be let in while the node is pressed: comes first, is held, or is told when."""

from __future__ import annotations

import asyncio
from math import ceil, inf
from typing import TYPE_CHECKING, Final

from keepline.errors import HubDownError, RefusedError
from keepline.gateway.auth.credentials import ID_CHARACTERS, shown_device_id
from keepline.gateway.governor.actions import Action
from keepline.gateway.governor.recent import Recent
from keepline.gateway.governor.room import Rank
from keepline.gateway.refusals import no_room
from keepline.gateway.registry import folded
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason, Initiator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepline.gateway.connection import Connection
    from keepline.gateway.deadlines import Deadline
    from keepline.gateway.door import Door
    from keepline.gateway.node import Node
    from keepline.wire.handshake import Request

SOONEST_S: Final = 5.0
LATEST_S: Final = 30.0
"""When who is refused may come again: at random in between, so that they do not come together."""

LEAST_STRENGTH: Final = 0.25
"""Of the longest hold: a shorter one would spread nobody."""

SHARES: Final = 16
"""Of the room for handshakes each rank leaves so many parts to those before it as it has ranks
before it, where it is that large."""

STILL_TALKING_S: Final = 10.0
"""Who said something so short ago may be in the middle of a conversation."""


RECALLED_AT_ONCE: Final = 1_000
"""So many devices are read from the hub and remembered in one go: a millisecond."""


def overloaded(u: float) -> RefusedError:
    """Return the refusal of a node that is pressed; `u` is random in [0, 1)."""
    wait_s = SOONEST_S + u * (LATEST_S - SOONEST_S)
    return RefusedError("too much to do", CloseReason.OVERLOADED, retry_after_s=ceil(wait_s))


class Newcomers:
    """Judges requests by what they show, before anything is proven: it decides who waits.

    Whoever shows another's id gains a place in a queue by it, and fails at the authenticator.
    """

    __slots__ = (
        "_holding",
        "_node",
        "_recalling",
        "_recent",
        "_room_for_all",
        "_taken",
        "held",
        "refused",
    )

    def __init__(self, node: Node, taken: Mapping[Action, float]) -> None:
        self._node = node
        self._taken = taken
        self._recent = Recent(
            node.settings.server.max_connections, node.settings.hub.resume_window_s
        )
        self._room_for_all = inf
        if node.settings.governor.enabled:
            self._room_for_all = self._room_for(Rank.NEW)
        self._recalling: asyncio.Task[None] | None = None
        self._holding = 0
        self.held = 0
        self.refused = 0

    def __len__(self) -> int:
        """How many are held just now."""
        return self._holding

    def on_ended(self, connection: Connection, device_id: str, reason: CloseReason) -> None:
        """A session has ended: its device is one that may come back to it."""
        now = self._node.ticker.now
        broken_off = reason.initiator is not Initiator.DEVICE and _talks(connection, now)
        self._recent.left(folded(device_id), now, talking=broken_off)

    def start(self) -> None:
        """Remember who was here before this process, beside whatever else begins."""
        self._recalling = self._node.loop.create_task(self._recall())

    def stop(self) -> None:
        """Remember nobody else; idempotent."""
        if self._recalling is not None:
            self._recalling.cancel()

    async def _recall(self) -> None:
        """Those come first that are resumed; of the others as many as there are places for."""
        node = self._node
        try:
            resumed = await self._recall_within(node.settings.hub.resume_window_s)
            known = await self._recall_within(inf)
        except HubDownError as error:
            node.log.warning("devices_not_recalled", error=error)
        except Exception as error:  # noqa: BLE001 (nobody waits for it: a watcher)
            node.isolation.faults.of_ours(error, "devices_not_recalled")
        else:
            node.log.info("devices_recalled", resumed=resumed, known=known)

    async def _recall_within(self, within_s: float) -> int:
        after, read = "", 0
        while read < len(self._recent):
            page = await self._node.hub.known(within_s, after, RECALLED_AT_ONCE)
            if not page:
                break
            self._recent.recall(page, self._node.ticker.now)
            after = page[-1].device_id
            read += len(page)
        return read

    def rank(self, request: Request) -> Rank:
        """Return who this seems to be."""
        node = self._node
        device_id = folded(shown_device_id(request)[:ID_CHARACTERS])
        now = node.ticker.now
        session = node.registry.by_device(device_id)
        if session is not None:
            return Rank.TALKING if _talks(session.connection, now) else Rank.RESUMING
        if self._recent.is_within_window(device_id, now):
            return Rank.TALKING if self._recent.was_talking(device_id) else Rank.RESUMING
        enrolment = node.enrolment
        if self._recent.is_known(device_id) or (
            enrolment is not None and enrolment.ledger.find(device_id) is not None
        ):
            return Rank.KNOWN
        return Rank.NEW

    def check_room(self, request: Request) -> None:
        """Raise RefusedError 503 where the room that is left is for those who come before it.

        Known only once it has asked: a room full of those who say nothing is closed to all.
        """
        under_way = len(self._node.arrivals.admissions)
        if under_way > self._room_for_all and under_way > self._room_for(self.rank(request)):
            raise no_room("too many handshakes at once")

    def _room_for(self, rank: Rank) -> int:
        return ceil(self._node.settings.server.max_admissions * (SHARES - rank) / SHARES)

    async def hold(self, door: Door, request: Request, deadline: Deadline) -> None:
        """Let a request pass at once, after a while, or not at all; its deadline waits as long.

        Raises RefusedError 503, or ConnectionResetError when the device leaves meanwhile.
        """
        self.check(request)
        strength = self._taken.get(Action.HOLD)
        if strength is None or self.rank(request) <= Rank.RESUMING:
            return
        reconnect = self._node.profiles.shown(request).reconnect
        if reconnect == "never":
            return  # each connect of these is a person who speaks
        if reconnect == "backoff" or not self._has_room_for(request):
            raise self.refusal()
        await self._hold(door, deadline, max(LEAST_STRENGTH, strength))
        self.check(request)

    def check(self, request: Request) -> None:
        """Raise RefusedError 503 where it may not come in at all.

        Asked again of who has waited: so many may that letting them in would take the memory that
        is left.
        """
        self._node.arrivals.check_open()
        only_resumes = Action.RESUMES_ONLY in self._taken
        if Action.NONE in self._taken or (only_resumes and self.rank(request) > Rank.RESUMING):
            raise self.refusal()

    def _has_room_for(self, request: Request) -> bool:
        """Return whether it may be held: half of each room is for others, whose users speak."""
        settings, addresses = self._node.settings, self._node.arrivals.addresses
        most = min(settings.governor.held, settings.server.max_admissions // 2)
        return self._holding < most and not addresses.is_half_crowded(request.address)

    def refusal(self) -> RefusedError:
        """Return the refusal, counted."""
        self.refused += 1
        return overloaded(self._node.random.random())

    async def _hold(self, door: Door, deadline: Deadline, strength: float) -> None:
        """Refused, they would all come back in step; held at random, they do not."""
        wait_s = strength * self._node.settings.governor.hold_s * self._node.random.random()
        self.held += 1
        self._holding += 1
        door.judging = asyncio.current_task()
        try:
            await asyncio.sleep(deadline.put_off(wait_s))
        except asyncio.CancelledError:
            if door.lifecycle.state is not State.CLOSED:
                raise  # the deadline, or we leave
            raise ConnectionResetError("left while it was held") from None
        finally:
            door.judging = None
            self._holding -= 1


def _talks(connection: Connection, now: float) -> bool:
    return now - connection.last_activity < STILL_TALKING_S
