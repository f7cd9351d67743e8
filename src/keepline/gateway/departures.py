"""Who is on the way out: connections that are closed and cleaned up so many at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from keepline.gateway.cleanup import cleanup
from keepline.gateway.governor.batch import Batch
from keepline.lifecycle.states import Event

if TYPE_CHECKING:
    import asyncio

    from keepline.gateway.connection import Connection
    from keepline.gateway.node import Node


class Departures:
    """Closes and cleans up at once, and in order; beyond the limit in the next turns of the loop.

    The limit is learned from what turns take: others get theirs in between when a fleet leaves.
    Who waits for its cleanup still holds its device, so who comes back for it has to `hasten` it.
    """

    __slots__ = ("_began_s", "_hung_up", "_late", "_left", "_node", "_waiting", "batch", "tasks")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.batch = Batch()
        self._left = self.batch.size
        self._began_s = 0.0  # the turn, in CPU time
        self._hung_up: deque[Connection] = deque()  # to be closed
        self._late: deque[Connection] = deque()  # to be dropped
        self._waiting: dict[Connection, None] = {}  # closed, to be cleaned up
        self.tasks: set[asyncio.Task[None]] = set()  # of cleanups that wait for something

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting) + len(self._hung_up) + len(self._late)

    def hang_up(self, connection: Connection) -> bool:
        """The peer has ended its side; False to have it closed at once, True when that comes later.

        Not for TLS, which closes by itself.
        """
        if self._takes_one() or not connection.transport.can_write_eof():
            return False
        self._hung_up.append(connection)
        return True

    def drop(self, connection: Connection) -> None:
        """The time for a civil end is over: drop its TCP."""
        if self._takes_one():
            connection.advance(Event.CLOSE_DUE)
        else:
            self._late.append(connection)

    def begin(self, connection: Connection) -> None:
        """The transport is gone: release everything the connection held."""
        if self._takes_one():
            self._clean_up(connection)
        else:
            self._waiting[connection] = None

    def hasten(self, device_id: str) -> None:
        """Clean up now what still holds this device, if it waits for that."""
        if not self._waiting:
            return
        session = self._node.registry.by_device(device_id)
        if session is not None and session.connection in self._waiting:
            del self._waiting[session.connection]
            self._clean_up(session.connection)

    def _takes_one(self) -> bool:
        """Whether this turn has room for one more."""
        if self._left == self.batch.size:
            self._began_s = self._node.clock.thread_cpu()
            self._node.loop.call_soon(self._next_turn)
        if not self._left:
            return False
        self._left -= 1
        return True

    def _next_turn(self) -> None:
        took_s = self._node.clock.thread_cpu() - self._began_s
        self.batch.note(took_s, self.batch.size - self._left)
        self._left = self.batch.size
        while self._waiting and self._takes_one():
            connection = next(iter(self._waiting))
            del self._waiting[connection]
            self._clean_up(connection)
        while self._late and self._takes_one():
            self._late.popleft().advance(Event.CLOSE_DUE)
        while self._hung_up and self._takes_one():
            self._hung_up.popleft().transport.close()

    def _clean_up(self, connection: Connection) -> None:
        rest = cleanup(connection)
        if rest is not None:
            self._node.hold(self.tasks, rest)
