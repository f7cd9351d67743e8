"""PURE: how many sessions there is room for, what ends it, and what changes that."""

from __future__ import annotations

from enum import StrEnum
from math import floor, inf
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.monitor.capacity.costs import KNOWN_WITHIN
from keepline.monitor.capacity.fit import Cost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keepline.monitor.capacity.costs import Costs

MEMORY_SHARE: Final = 0.75
"""Of the limit: the rest is for a crowd that comes back, and for what is not ours."""

DESCRIPTOR_SHARE: Final = 0.9
CPU_SHARE: Final = 0.8
"""Of the core the loop has: beyond it, turns come late, and a crowd that comes back is let wait."""

KERNEL_BYTES: Final = 4_096
"""What the kernel keeps for one socket: in no figure of the process, but of its control group."""

FEWEST: Final = 10
"""Sessions of the last minute: what fewer of them did says little of thousands."""

SPREADS: Final = 2.0
"""So many standard deviations a cost may be wrong by: 19 of 20 are not."""

ONE_PIECE: Final = Cost(1.0, 0.0)

TALK_FRAMES_PER_S: Final = 17.0
"""Of a device that talks, until one was seen: a frame each 60 ms, in one direction at a time."""


class Resource(StrEnum):
    """What sessions may run out of."""

    MEMORY = "memory"
    CPU = "cpu"
    DESCRIPTORS = "descriptors"
    CONNECTIONS = "connections"  # `server.max_connections`


class Now(NamedTuple):
    """What is now, and what the last minute was like on average. None is not known here.

    There are `fewer` sessions than at the most of the hour: those have left memory behind, which
    the next ones find. From `sessions_lately` on it is of the minute: `talking` of those said
    something or were told something, and `cpu` is of the loop's thread, 0 to 1.
    """

    sessions: float
    fewer: float
    memory_bytes: float | None
    descriptors: float | None
    sessions_lately: float
    talking: float
    cpu: float | None
    pings_per_s: float
    frames_per_s: float
    handshakes_per_s: float

    @property
    def talk_share(self) -> float:
        """How many of the sessions talk, 0 to 1."""
        return min(1.0, self.talking / self.sessions_lately) if self.sessions_lately else 0.0


class Terms(NamedTuple):
    """Under which the question is asked: settings, limits, and what devices do.

    `descriptors_kept` of the descriptors are for no device.
    """

    interval_s: float
    talk_share: float
    memory_limit_bytes: float | None
    descriptor_limit: float | None
    descriptors_kept: int
    connections: int


class Room(NamedTuple):
    """How far one resource goes, in its own unit: bytes, shares of a core, pieces.

    `used` is what the sessions of now use, under the terms that were asked for.
    """

    resource: Resource
    used: float
    allowed: float
    cost: Cost

    @property
    def is_learned(self) -> bool:
        """Whether what a session takes was seen here, or is what is expected."""
        return self.cost.is_known(KNOWN_WITHIN)

    def most(self, sessions: float, spreads: float = 0.0) -> float:
        """Return how many sessions it is enough for, when there are so many now.

        Were a session to take so many `spreads` more than is thought, or less.
        """
        each, left = self.cost.each + spreads * self.cost.spread, self.allowed - self.used
        if each > 0:
            return sessions + left / each
        return inf if left > 0 else sessions


class Forecast(NamedTuple):
    """`left` more sessions, `most` in all, and then `limited_by` is used up.

    It is between `least` and `best` as far as costs are known; `is_known` is whether that is near
    enough, and enough sessions were there, to plan with.
    """

    sessions: int
    most: int
    left: int
    least: int
    best: int
    is_known: bool
    limited_by: Resource
    rooms: tuple[Room, ...]


def forecast(now: Now, costs: Costs, here: Terms, asked: Terms | None = None) -> Forecast:
    """Return how many sessions there is room for `here`, or under the terms that are `asked`."""
    asked = asked or here
    rooms = (
        *_memory(now, costs, asked),
        *_cpu(now, costs, here, asked),
        *_descriptors(now, asked),
        Room(Resource.CONNECTIONS, now.sessions, asked.connections, ONE_PIECE),
    )

    def fit(spreads: float) -> int:
        return max(0, floor(min(room.most(now.sessions, spreads) for room in rooms)))

    least, most, best = sorted((fit(SPREADS), fit(0.0), fit(-SPREADS)))
    sessions = round(now.sessions)
    return Forecast(
        sessions=sessions,
        most=most,
        left=max(0, most - sessions),
        least=least,
        best=best,
        is_known=now.sessions_lately >= FEWEST and _is_near(now.sessions, least, most),
        limited_by=min(rooms, key=lambda room: room.most(now.sessions)).resource,
        rooms=rooms,
    )


def _is_near(sessions: float, least: float, most: float) -> bool:
    """Return whether the worst case has as much room as costs that are just known leave it.

    That there is none is known of what is used, whatever a session takes.
    """
    if most <= sessions or least == most:
        return True
    return (most - sessions) <= (1 + SPREADS * KNOWN_WITHIN) * (least - sessions)


def _memory(now: Now, costs: Costs, asked: Terms) -> Iterable[Room]:
    if now.memory_bytes is None or asked.memory_limit_bytes is None:
        return
    session = costs.memory.of((1.0, asked.talk_share, 0.0))
    more_talking = (asked.talk_share - now.talk_share) * now.sessions
    more_bytes = costs.memory.of((0.0, more_talking, -now.fewer)).each
    yield Room(
        Resource.MEMORY,
        now.memory_bytes + now.sessions * KERNEL_BYTES + more_bytes,
        MEMORY_SHARE * asked.memory_limit_bytes,
        session._replace(each=session.each + KERNEL_BYTES),
    )


def _cpu(now: Now, costs: Costs, here: Terms, asked: Terms) -> Iterable[Room]:
    if now.cpu is None:
        return
    done = costs.cpu.of((now.pings_per_s, now.frames_per_s, now.handshakes_per_s))
    fixed = max(0.0, now.cpu - done.each)
    pings, frames = 1 / asked.interval_s, asked.talk_share * TALK_FRAMES_PER_S
    if now.sessions_lately >= 1:
        pings = now.pings_per_s / now.sessions_lately * here.interval_s / asked.interval_s
    if now.talking >= 1:
        frames = asked.talk_share * now.frames_per_s / now.talking
    session = costs.cpu.of((pings, frames, 0.0))
    used = fixed + now.sessions * session.each
    yield Room(Resource.CPU, used, CPU_SHARE, session)


def _descriptors(now: Now, asked: Terms) -> Iterable[Room]:
    limit = asked.descriptor_limit
    if now.descriptors is not None and limit is not None:
        allowed = min(DESCRIPTOR_SHARE * limit, limit - asked.descriptors_kept)
        yield Room(Resource.DESCRIPTORS, now.descriptors, allowed, ONE_PIECE)
