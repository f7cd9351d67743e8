"""Who is on the way in: the handshakes under way, and the places kept for who was let in."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

from keepline.errors import RefusedError
from keepline.gateway.addresses import Addresses
from keepline.gateway.admission import admit, give_up_late
from keepline.gateway.deadlines import Deadlines
from keepline.gateway.endings import refusal_of
from keepline.gateway.flapping.flapping import Flapping
from keepline.gateway.refusals import leaving, no_room
from keepline.gateway.registry import folded
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from keepline.errors import PeerError, RefusedError
    from keepline.gateway.deadlines import Deadline
    from keepline.gateway.door import Door
    from keepline.gateway.node import Node
    from keepline.wire.handshake import Request

    Admit = Callable[[Door], Coroutine[object, object, None]]

TURNS_TO_HTTP = 3
"""How many turns of the loop a plain socket takes from its accept to where it can be answered."""

MOST_GIVEN_UP = 48
"""How many admissions are cancelled before everything else has its turn."""

SLICE_S = 0.02
"""So long at most does the next slice wait for one that does not end."""

GIVEN_UP_S = 1.0
"""So long after it was cancelled each should have ended: an authenticator is outside code."""

RETRY_AFTER_S = 10  # what stock firmware waits between its tries anyway


class Place:
    """A `with` block in which there is room for one device."""

    __slots__ = ("_arriving", "_device_id")

    def __init__(self, arriving: dict[str, int], device_id: str) -> None:
        self._arriving = arriving
        self._device_id = device_id

    def __enter__(self) -> None:
        self._arriving[self._device_id] = self._arriving.get(self._device_id, 0) + 1

    def __exit__(self, *_: object) -> None:
        left = self._arriving[self._device_id] - 1
        if left:
            self._arriving[self._device_id] = left
        else:
            del self._arriving[self._device_id]


class Arrivals:
    """The way in of one node, with room for so many handshakes and so many devices."""

    __slots__ = (
        "_node",
        "_told_of_proxy",
        "addresses",
        "admissions",
        "arriving",
        "deadlines",
        "flapping",
        "turned_away",
    )

    def __init__(self, node: Node) -> None:
        self._node = node
        self._told_of_proxy = False
        self.addresses = Addresses(node.settings.server)
        self.flapping = Flapping(node)
        self.deadlines = Deadlines(node.loop, node.profiles.default.hello_timeout_s)
        self.admissions: dict[asyncio.Task[None], Door] = {}
        self.turned_away: dict[asyncio.Task[None], Door] = {}  # refused as soon as they ask
        self.arriving: dict[str, int] = {}  # let in, and awaited to say hello

    def begin(self, door: Door, admit: Admit = admit) -> None:
        """A socket was accepted; `admit` takes it from here, to refuse it when there is no room."""
        node = self._node
        node.counters.connections_accepted += 1
        owner = self.turned_away
        if node.draining:
            door.turn_away(leaving())
        elif len(self.admissions) >= node.settings.server.max_admissions:
            door.turn_away(no_room("too many handshakes at once"))
        elif node.governor.refuses_all:
            door.turn_away(node.governor.newcomers.refusal())
        else:
            owner = self.admissions
        task: asyncio.Task[None] = node.loop.create_task(admit(door))
        owner[task] = door
        if owner is self.turned_away:
            door.judging = task  # which may be at its PROXY header still
        task.add_done_callback(self._forget)

    def step_aside(self) -> None:
        """The admission that calls this is only to be refused, and needs no room for a handshake.

        Else one address beyond its limit would take the room of all others.
        """
        task = asyncio.current_task()
        if task in self.admissions:
            self.turned_away[task] = self.admissions.pop(task)

    def _forget(self, task: asyncio.Task[None]) -> None:
        if self.admissions.pop(task, None) is None:
            self.turned_away.pop(task, None)

    async def give_up(self, *owners: dict[asyncio.Task[None], Door]) -> None:
        """Cancel what they hold, a slice at a time: each answers its device.

        Who does not end is written off, and answered for.
        """
        # Cancelled before its first turn, an admission would answer nobody, and leave its socket.
        for _ in range(TURNS_TO_HTTP):
            await asyncio.sleep(0)
        under_way = [each for owner in owners for each in owner.items()]
        slow: dict[asyncio.Task[None], Door] = {}
        for first in range(0, len(under_way), MOST_GIVEN_UP):
            part = dict(under_way[first : first + MOST_GIVEN_UP])
            for task in part:
                task.cancel()
            _, not_yet = await asyncio.wait(part, timeout=SLICE_S)
            slow.update((task, part[task]) for task in not_yet)
        if slow:
            _, late = await asyncio.wait(slow, timeout=GIVEN_UP_S)
            for task in late:
                self._write_off(task)
                slow[task].give_up(CloseReason.DRAINING, CloseReason.SERVER_SHUTDOWN)

    def _write_off(self, task: asyncio.Task[None]) -> None:
        """An admission does not end: it holds neither room nor turn, and is told of as a stray."""
        self._forget(task)
        is_judged = self._node.governor.turnstile.lose(task)
        judge = self._node.gate.authenticator if is_judged else None
        self._node.isolation.strays.admission(task, judge)

    def _end_overdue(self) -> None:
        """Answer for those that their deadline has told to end, and that have not."""
        for task in self.deadlines.take_overdue(GIVEN_UP_S):
            door = self.admissions.get(task)
            if door is None:
                continue
            self._write_off(task)
            give_up_late(door)

    def each_second(self, now: float) -> None:
        """Forget what does not matter any more, and let go who has calmed down."""
        self._end_overdue()
        self.addresses.each_second(now)
        self.flapping.each_second(now)

    @property
    def holds_some(self) -> bool:
        """Whether anybody is held up, or the node is pressed."""
        return bool(self.flapping) or bool(self._node.governor.taken)

    async def hold(self, door: Door, request: Request, deadline: Deadline) -> None:
        """Keep a request waiting that is to be delayed; its deadline waits as long.

        Raises RefusedError 429 or 503, or ConnectionResetError when the device leaves meanwhile.
        """
        if self.flapping:
            await self.flapping.hold(door, request, deadline)
        if self._node.governor.taken:
            await self._node.governor.newcomers.hold(door, request, deadline)

    def check_open(self) -> None:
        """Raise RefusedError 503 when nobody is taken any more."""
        if self._node.draining:
            raise leaving()

    def look_for_a_proxy(self, request: Request) -> None:
        """Say once when a proxy seems to stand in front that nobody is told to believe.

        All it brings counts as one address then, and one of them can use up the limits of all.
        """
        if self._told_of_proxy or "x-forwarded-for" not in request.headers:
            return
        # From elsewhere it is nobody's proxy, but anybody who writes such a header.
        if request.address and ip_address(request.address).is_private:
            self._told_of_proxy = True
            self._node.log.warning(
                "proxy_not_believed",
                address=request.address,
                hint="its devices count as one address: set proxy.header and proxy.trusted",
            )

    def place(self, device_id: str) -> Place:
        """Keep room for a device between its 101 and its hello. Raises RefusedError 503.

        Without it a storm of handshakes would pass the limit together. Who holds a place already
        may come back to it, however full it is, but once at a time. The device must have been
        judged: else a full node would tell anybody which devices it holds.
        """
        self.check_open()
        registry = self._node.registry
        device_id = folded(device_id)
        returns = registry.by_device(device_id) is not None and device_id not in self.arriving
        taken = len(registry) + len(self.arriving)
        if not returns and taken >= self._node.settings.server.max_connections:
            raise no_room("no room for another device")
        return Place(self.arriving, device_id)

    def on_refused(self, error: RefusedError, request: Request | None, address: str) -> None:
        """Count a request that was refused, remember it, and say why; None if none came whole."""
        node = self._node
        node.counters.disconnects[error.reason] += 1
        refusal = refusal_of(error, request, address, node.clock.wall())
        node.refusals.note(refusal)
        node.log.info("device_refused", **refusal.told())

    def on_dropped(self, error: PeerError, address: str) -> None:
        """Count who was dropped before there was any HTTP to answer in, remember it, say why."""
        node = self._node
        node.counters.disconnects[error.reason] += 1
        refusal = refusal_of(error, None, address, node.clock.wall())
        node.refusals.note(refusal)
        node.log.info("device_dropped", **refusal.told())
