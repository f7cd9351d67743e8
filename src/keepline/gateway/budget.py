"""How many messages a peer may send in a second: beyond it is read less, and at last not at all.

A frame that comes alone is not counted: nearly all do, and a count would cost each of them more
than it protects from. Instead every 32nd frame of the node tells whose it is. Who is found so often
in a second that it may have used up its budget is watched, which is counted frame by frame, from
nothing on: chance alone holds nobody up. What comes several in a read is counted anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from keepline.gateway.connection import Connection
    from keepline.wire.limits import Limits

ONE_OF: Final = 32
"""So many frames of the node for each of which it is seen whose it is; a power of two."""

SMALL_READ_BYTES: Final = 512
"""No network cuts a message into less (a TCP segment's least is 536): its peer does."""


class Budget:
    """What each peer has sent in this second, of those who come into question at all."""

    __slots__ = ("_limits", "_seen", "_spent", "_watched")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen: dict[Connection, int] = {}
        self._spent: dict[Connection, int] = {}
        self._watched: dict[Connection, int] = {}  # for how many seconds on end it was over

    def see(self, connection: Connection) -> None:
        """Take note that the node's latest 32nd frame was one of `connection`."""
        seen = self._seen[connection] = self._seen.get(connection, 0) + 1
        if seen >= self._limits.messages_per_s // ONE_OF:
            self._watch(connection)

    def spend(self, connection: Connection, messages: int) -> bool:
        """Count `messages`; return whether these are more than it has for this second."""
        spent = self._spent[connection] = self._spent.get(connection, 0) + messages
        if spent <= self._limits.messages_per_s:
            return False
        self._watch(connection)
        return True

    def over_for_s(self, connection: Connection) -> int:
        """Return in how many seconds on end, up to the last, it had more than its budget."""
        return self._watched.get(connection, 0)

    def each_second(self) -> None:
        """Judge the second that is over, and begin a new one."""
        for connection, seconds in list(self._watched.items()):
            self._judge(connection, self._spent.get(connection, 0), seconds)
        self._seen.clear()
        self._spent.clear()

    def _judge(self, connection: Connection, spent: int, seconds: int) -> None:
        limits = self._limits
        if spent > limits.messages_per_s and connection.lifecycle.reason is None:
            self._watched[connection] = seconds + 1
            if not seconds:
                _tell(connection)
            if seconds + 1 >= limits.flooding_after_s:
                connection.end_flood(f"more messages than allowed for {seconds + 1} s")
        elif 2 * spent > limits.messages_per_s:
            self._watched[connection] = 0
        else:
            del self._watched[connection]
            connection.watch(closely=False)

    def _watch(self, connection: Connection) -> None:
        if connection not in self._watched:
            self._watched[connection] = 0
            connection.watch(closely=True)


def _tell(connection: Connection) -> None:
    device_id = connection.receiver.device_id
    connection.node.log.warning("held_back", device_id=device_id, address=connection.address)
