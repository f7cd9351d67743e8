"""Tokens that expire while their device is connected: one heap for all, looked at once a second.

Sessions whose token never expires are not in it and cost nothing.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from keepline.lifecycle.states import State
from keepline.reasons import CloseReason

if TYPE_CHECKING:
    from keepline.gateway.registry import Registry
    from keepline.gateway.session import Session

    Entry = tuple[float, str, str]  # when, and the ids of device and session

ENDS_PER_S: Final = 200
"""A fleet that was enrolled in one minute does not have to leave in one."""

SLACK: Final = 64


class Expiries:
    """When each session's token expires, by wall clock.

    A session that ends before leaves its entry behind; entries are swept when they are twice as
    many as sessions, so the heap stays bounded by the fleet.
    """

    __slots__ = ("_due", "_grace_s", "_heap", "_registry")

    def __init__(self, registry: Registry, *, grace_s: float) -> None:
        self._registry = registry
        self._grace_s = grace_s
        self._heap: list[Entry] = []
        self._due: list[Entry] = []  # expired, and in a conversation

    def __len__(self) -> int:
        return len(self._heap) + len(self._due)

    def add(self, session: Session, expires_at: float) -> None:
        """Have the session end when its token does."""
        if len(self) > 2 * len(self._registry) + SLACK:
            self._sweep()
        heappush(self._heap, (expires_at, session.device_id, session.session_id))

    def each_second(self, now_wall: float) -> None:
        """End who has expired: at once when idle, else when its conversation or the grace is over.

        Ends ENDS_PER_S at most; the others have the next turns.
        """
        left = ENDS_PER_S
        waiting: list[Entry] = []
        for entry in self._due:
            left -= self._end_or_wait(entry, now_wall, waiting, may_end=left > 0)
        while left > 0 and self._heap and self._heap[0][0] <= now_wall:
            left -= self._end_or_wait(heappop(self._heap), now_wall, waiting, may_end=True)
        self._due = waiting

    def _end_or_wait(
        self,
        entry: Entry,
        now_wall: float,
        waiting: list[Entry],
        *,
        may_end: bool,
    ) -> bool:
        """Return whether a session was ended."""
        expires_at = entry[0]
        session = self._session_of(entry)
        if session is None:
            return False
        if not may_end or (is_talking(session) and now_wall < expires_at + self._grace_s):
            waiting.append(entry)
            return False
        session.close(CloseReason.TOKEN_EXPIRED)
        return True

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if self._session_of(entry) is not None]
        heapify(self._heap)

    def _session_of(self, entry: Entry) -> Session | None:
        """Return the session, None when it has gone or was replaced by a newer one."""
        _, device_id, session_id = entry
        session = self._registry.by_device(device_id)
        return None if session is None or session.session_id != session_id else session


def is_talking(session: Session) -> bool:
    """Whether data messages came lately; IDLE begins `session.idle_after_s` after the last."""
    return session.connection.lifecycle.state is State.ACTIVE
