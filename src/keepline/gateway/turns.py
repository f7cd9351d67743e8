"""How much of the loop one peer may have: who floods is read less, and only as long as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keepline.gateway.budget import Budget

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection
    from keepline.gateway.node import Node

LARGE_READ_BYTES: Final = 32_768
"""So much in one read is as good as a turn full of frames."""


class Turns:
    """Hands out the turns of those that send more than one turn can handle.

    Nothing is kept of anybody else, and of these for a second. Beyond `wire.full_turns_per_s`, or
    its `budget` of messages, a connection is not read for the rest of the second: its peer's own
    TCP holds it back, and no message is lost. Each has one turn before it at most, whatever its
    output does meanwhile.
    """

    __slots__ = ("_controls", "_node", "_queued", "_second", "_taken", "_waiting", "budget")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.budget = Budget(node.limits)
        self._taken: dict[Connection, int] = {}
        self._second = 0
        self._controls: dict[Connection, int] = {}  # in this second
        self._queued: set[Connection] = set()  # whose turn is the loop's next one
        self._waiting: dict[Connection, None] = {}  # for the next second, in order

    def __len__(self) -> int:
        """How many wait for the next second."""
        return len(self._waiting)

    def give(self, connection: Connection) -> None:
        """Have `connection`, which is not read meanwhile, go on in its next turn; idempotent."""
        if connection in self._queued or connection in self._waiting:
            return
        taken = self._taken.get(connection, 0) + 1
        self._taken[connection] = taken
        if taken <= self._node.limits.full_turns_per_s:
            self._queue(connection)
            return
        self.hold_back(connection)

    def hold_back(self, connection: Connection) -> None:
        """Have `connection`, which is not read meanwhile, go on in the next second."""
        self._node.counters.peers_held_back += 1
        self._waiting[connection] = None

    def resume(self, connection: Connection) -> None:
        """Make up for a turn that `connection` could not take; idempotent, and not another one."""
        if connection not in self._queued and connection not in self._waiting:
            self._queue(connection)

    def count_control(self, connection: Connection) -> int:
        """Count a control frame that nobody asked for; return the how many'th of this second."""
        self._mind_the_second()
        count = self._controls[connection] = self._controls.get(connection, 0) + 1
        return count

    def each_second(self) -> None:
        """Begin a new second: who was held goes on."""
        self.budget.each_second()
        waiting, self._waiting = self._waiting, {}
        self._taken.clear()
        self._mind_the_second()
        for connection in waiting:
            self._queue(connection)

    def _queue(self, connection: Connection) -> None:
        self._queued.add(connection)
        self._node.loop.call_soon(self._go_on, connection)

    def _go_on(self, connection: Connection) -> None:
        self._queued.discard(connection)
        connection.next_turn()

    def _mind_the_second(self) -> None:
        """Count anew in a new second of the clock: nobody else does, or two limits fit in one."""
        second = int(self._node.ticker.now)
        if second != self._second:
            self._second = second
            self._controls.clear()
