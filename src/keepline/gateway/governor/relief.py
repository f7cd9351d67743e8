"""Makes room: quiet devices are idle sooner, and some of the idle are sent away with a hint."""

from __future__ import annotations

from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Final

from keepline.gateway.drain.notice import hint, return_of
from keepline.gateway.drain.plan import Return
from keepline.gateway.isolation.release import release_biggest
from keepline.lifecycle.states import State
from keepline.reasons import CloseReason
from keepline.wire.frames import text_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepline.gateway.node import Node
    from keepline.gateway.session import Session

LOOKS: Final = 1_000
"""How many sessions are looked at in one go: a fifth of a millisecond."""

SOONEST_IDLE: Final = 0.1
"""Of `session.idle_after_s`, at full strength."""

SHED_PER_S: Final = 0.01
"""Of all sessions, at full strength; where nobody is idle no more than that is made up for."""

AWAY_S: Final = 30.0
"""Who is sent away and understands it is told to come back after this, or up to twice as long."""


class Relief:
    """Goes round all sessions, a part at each look; has a list of them only while need be."""

    __slots__ = ("_node", "_owed", "_rest", "_usual_idle_s", "shed")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._usual_idle_s = node.idle_after_s
        self._rest: Iterator[Session] = iter(())
        self._owed = 0.0
        self.shed = 0

    def look(self, shrink: float | None, shed: float | None, for_s: float) -> None:
        """Do what is to be done in `for_s`; the strengths are from 0 to 1, None for not at all."""
        self._node.idle_after_s = self._usual_idle_s * (1 - (1 - SOONEST_IDLE) * (shrink or 0.0))
        if shrink is None and shed is None:
            self._rest = iter(())
            self._owed = 0.0
            return
        if shrink is not None and shrink >= 1.0:
            release_biggest(self._node)
        may_shed = 0
        if shed and not self._node.drain.is_leaving:  # which sends all of them, and says where to
            most = len(self._node.registry) * SHED_PER_S
            self._owed = min(self._owed + most * shed * for_s, most)
            may_shed = ceil(self._owed)
        for session in self._next_ones():
            if may_shed and self._sheds(session):
                may_shed -= 1
                self._owed -= 1
            elif shrink is not None:
                self._hasten(session)

    def _next_ones(self) -> list[Session]:
        ones = list(islice(self._rest, LOOKS))
        if not ones:
            self._rest = iter(self._node.registry)
            ones = list(islice(self._rest, LOOKS))
        return ones

    def _hasten(self, session: Session) -> None:
        """Have who is quiet for long enough be idle with the next tick, which gives back all."""
        connection, node = session.connection, self._node
        quiet_s = node.ticker.now - connection.last_activity
        if connection.lifecycle.state is State.ACTIVE and quiet_s >= node.idle_after_s:
            node.wheel.arm_by(connection, node.ticker.now)

    def _sheds(self, session: Session) -> bool:
        """Send an idle device away, if that keeps it away; True if it goes."""
        connection = session.connection
        if connection.lifecycle.state is not State.IDLE:
            return False
        comes_back = return_of(session)
        if comes_back is Return.BY_ITSELF:
            return False
        if comes_back is Return.TOLD and connection.outbox is None:
            after_s = AWAY_S * (1 + self._node.random.random())
            connection.send(text_frame(hint(after_s, None)))
        connection.close(CloseReason.SHED)
        self.shed += 1
        return True
