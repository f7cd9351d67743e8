"""Lets so many requests be judged at once; the others wait by rank, and not for long."""

from __future__ import annotations

import asyncio
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, Final, Self

from keepline.errors import RefusedError
from keepline.gateway.governor.batch import MOST
from keepline.gateway.governor.crowd import Step
from keepline.gateway.governor.limit import Limit
from keepline.gateway.governor.room import Room
from keepline.lifecycle.states import State

if TYPE_CHECKING:
    from types import TracebackType

    from keepline.gateway.deadlines import Deadline
    from keepline.gateway.door import Door
    from keepline.gateway.governor.crowd import Crowd
    from keepline.gateway.governor.newcomers import Newcomers
    from keepline.gateway.node import Node
    from keepline.wire.handshake import Request


MOST_GIVEN_UP: Final = 32
"""So many are refused in a turn of the loop for waiting in vain: 3 ms."""


class Turn:
    """A `with` block in which one request is judged."""

    __slots__ = ("_began", "_turnstile")

    def __init__(self, turnstile: Turnstile, began: float) -> None:
        self._turnstile = turnstile
        self._began = began

    def __enter__(self) -> Self:
        self._turnstile.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._turnstile.end(self._began)


class Turnstile:
    """A turn takes as long as the authenticator, and that is what the limit learns from.

    What a device takes, for its request or its hello, is not in it: who says nothing keeps nobody
    else out. Where judging takes no time at all, the crowd's count for each turn of the loop is
    what lets everybody else be heard.
    """

    __slots__ = (
        "_crowd",
        "_newcomers",
        "_node",
        "_room",
        "_takers",
        "given_up",
        "judging",
        "limit",
        "waited",
    )

    def __init__(self, node: Node, newcomers: Newcomers, crowd: Crowd) -> None:
        settings, most = node.settings.governor, node.settings.server.max_admissions
        self._node = node
        self._newcomers = newcomers
        self._crowd = crowd
        self._room: Room[asyncio.Future[Turn]] = Room(settings.wait_s, few=MOST)
        self.limit = Limit(settings.judged_least, min(settings.judged_most, most))
        if not settings.enabled:
            self.limit.value = inf
        self._takers: set[asyncio.Task[Any] | None] = set()  # whose turn it is, until they lose it
        self.judging = 0
        self.waited = 0
        self.given_up = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._room)

    def standing_s(self, now: float) -> float:
        """Return for how long more than a few have been waiting, without a break."""
        return self._room.standing_s(now)

    def free(self) -> Turn | None:
        """Return a turn, None when there is none at once."""
        if self._room or not self._may_begin():
            return None
        return self._begin()

    async def wait(self, door: Door, request: Request, deadline: Deadline) -> Turn:
        """Return a turn as soon as there is one; who was held waits the less for it.

        Raises RefusedError 503 for who waits too long, or would, or may not come in any more, or
        ConnectionResetError when the device leaves meanwhile.
        """
        turn: asyncio.Future[Turn] = self._node.loop.create_future()
        entered = self._node.clock.now()
        self._room.enter(turn, self._newcomers.rank(request), entered)
        late = None
        if deadline.waited_s:
            late = self._node.loop.call_later(deadline.patience_s, self._give_up, turn)
        self._crowd.expect_turn()
        self.waited += 1
        door.judging = asyncio.current_task()
        try:
            begun = await turn
        except asyncio.CancelledError:
            self._room.leave(turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back()  # it had just got it
            if door.lifecycle.state is not State.CLOSED:
                raise  # the deadline, or we leave
            raise ConnectionResetError("left while it waited to be judged") from None
        finally:
            door.judging = None
            if late is not None:
                late.cancel()
        deadline.waited_s += self._node.clock.now() - entered
        try:
            self._newcomers.check(request)
        except RefusedError:
            self._give_back()
            raise
        return begun

    def take(self) -> None:
        """The task that calls this begins its turn."""
        self._takers.add(asyncio.current_task())

    def end(self, began: float) -> None:
        """One was judged; who is next comes when the loop has gone round."""
        task = asyncio.current_task()
        if task not in self._takers:
            return  # it has lost its turn
        self._takers.discard(task)
        now = self._node.clock.now()
        self.limit.note(now - began, self.judging, now)
        self._give_back()

    def lose(self, task: asyncio.Task[None]) -> bool:
        """A task does not end: if it has a turn, that is the next one's. Return whether it had."""
        had = task in self._takers
        if had:
            self._takers.discard(task)
            self._give_back()
        return had

    def look(self, now: float) -> None:
        """Refuse who waits in vain, and let in who may be.

        A refusal costs about as much as a judgement, so of many the rest is for the next turns.
        """
        late = list(islice(self._room.in_vain(now), MOST_GIVEN_UP))
        for turn in late:
            self._refuse(turn)
        while self._room and self._may_begin():
            first = self._room.next()
            assert first is not None, "the room is not empty"
            if not first.done():
                first.set_result(self._begin())
        if self._room and (len(late) == MOST_GIVEN_UP or self.judging < self.limit.value):
            self._crowd.expect_turn()

    def _give_back(self) -> None:
        """Let the next have a turn; of one that was not used there is nothing to learn."""
        self.judging -= 1
        if self._room:
            self._crowd.expect_turn()

    def _give_up(self, turn: asyncio.Future[Turn]) -> None:
        if not turn.done():
            self._room.leave(turn)
            self._refuse(turn)

    def _refuse(self, turn: asyncio.Future[Turn]) -> None:
        self.given_up += 1
        if not turn.done():
            turn.set_exception(self._newcomers.refusal())

    def _may_begin(self) -> bool:
        return self.judging < self.limit.value and self._crowd.left(Step.JUDGE) > 0

    def _begin(self) -> Turn:
        self.judging += 1
        self._crowd.use(Step.JUDGE)
        return Turn(self, self._node.clock.now())
