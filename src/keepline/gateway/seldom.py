"""What a session has seldom, in tables of the node: a place in each would be 8 bytes for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from keepline.gateway.beside import Beside
    from keepline.gateway.calls import Calls, Inbox
    from keepline.gateway.delivery import Delivery
    from keepline.gateway.resumption import Parting
    from keepline.wire.reader import FrameReader

T = TypeVar("T")


class Seldom:
    """By session, and only while there is some: nothing of those that are idle or have gone.

    When a message was found unfinished is by its reader, and goes with it.
    """

    __slots__ = ("besides", "deliveries", "inboxes", "partings", "unfinished")

    def __init__(self) -> None:
        self.besides: dict[Calls, Beside] = {}
        self.inboxes: dict[Calls, Inbox] = {}
        self.deliveries: dict[Calls, Delivery] = {}
        self.partings: dict[Calls, Parting] = {}
        self.unfinished: WeakKeyDictionary[FrameReader, float] = WeakKeyDictionary()

    def forget(self, session: Calls) -> None:
        """It has gone."""
        for table in (self.besides, self.inboxes, self.deliveries, self.partings):
            table.pop(session, None)


def put(table: dict[Calls, T], session: Calls, what: T | None) -> None:
    """Have `session` have `what`, None for nothing."""
    if what is None:
        table.pop(session, None)
    else:
        table[session] = what
