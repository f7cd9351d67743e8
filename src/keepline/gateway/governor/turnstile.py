"""Lets so many requests be judged at once; the others wait by rank, and not for long."""

from __future__ import annotations

import asyncio
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final, Self

from keepline.gateway.governor.limit import Limit
from keepline.gateway.governor.room import Room
from keepline.lifecycle.states import State

if TYPE_CHECKING:
    from types import TracebackType

    from keepline.gateway.door import Door
    from keepline.gateway.governor.newcomers import Newcomers
    from keepline.gateway.node import Node
    from keepline.wire.handshake import Request


MOST_GIVEN_UP: Final = 32
"""So many are refused in a turn of the loop for having waited too long: 3 ms."""


class Turn:
    """A `with` block in which one request is judged."""

    __slots__ = ("_began", "_turnstile")

    def __init__(self, turnstile: Turnstile, began: float) -> None:
        self._turnstile = turnstile
        self._began = began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._turnstile.end(self._began)


class Turnstile:
    """A turn lasts until the loop has gone round once more, for everybody else to be heard.

    So it takes as long as an authenticator that is far away, or as our own loop when judging is
    all it does: both are what the limit learns from. What a device takes, for its request or its
    hello, is not in it: who says nothing keeps nobody else out.
    """

    __slots__ = (
        "_again",
        "_ended",
        "_newcomers",
        "_node",
        "_room",
        "given_up",
        "judging",
        "limit",
        "waited",
    )

    def __init__(self, node: Node, newcomers: Newcomers) -> None:
        settings, most = node.settings.governor, node.settings.server.max_admissions
        self._node = node
        self._newcomers = newcomers
        self._room: Room[asyncio.Future[Turn]] = Room(settings.wait_s, settings.wait_pressed_s)
        self._ended: list[float] = []
        self._again: asyncio.Handle | None = None
        self.limit = Limit(settings.judged_least, min(settings.judged_most, most))
        if not settings.enabled:
            self.limit.value = inf
        self.judging = 0
        self.waited = 0
        self.given_up = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._room)

    def standing_s(self, now: float) -> float:
        """Return for how long somebody has been waiting, without a break."""
        return self._room.standing_s(now)

    def free(self) -> Turn | None:
        """Return a turn, None when there is none at once."""
        if self.judging >= self.limit.value or self._room:
            return None
        return self._begin()

    async def wait(self, door: Door, request: Request) -> Turn:
        """Return a turn as soon as there is one.

        Raises RefusedError 503 for who has waited too long, or ConnectionResetError when the
        device leaves meanwhile.
        """
        turn: asyncio.Future[Turn] = self._node.loop.create_future()
        self._room.enter(turn, self._newcomers.rank(request), self._node.clock.now())
        self.waited += 1
        door.judging = asyncio.current_task()
        try:
            return await turn
        except asyncio.CancelledError:
            self._room.leave(turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                with turn.result():
                    pass  # it had just got it
            if door.lifecycle.state is not State.CLOSED:
                raise  # the deadline, or we leave
            raise ConnectionResetError("left while it waited to be judged") from None
        finally:
            door.judging = None

    def end(self, began: float) -> None:
        """One was judged; who is next comes when the loop has gone round."""
        if not self._ended:
            self._node.loop.call_soon(self._next_turn)
        self._ended.append(began)

    def look(self, now: float) -> None:
        """Refuse who has waited too long, and let in who may be.

        A refusal costs about as much as a judgement, so of many the rest is for the next turns.
        """
        late = list(islice(self._room.too_late(now), MOST_GIVEN_UP))
        for turn in late:
            self.given_up += 1
            if not turn.done():
                turn.set_exception(self._newcomers.refusal())
        if len(late) == MOST_GIVEN_UP and self._again is None:
            self._again = self._node.loop.call_soon(self._look_again)
        while self._room and self.judging < self.limit.value:
            first = self._room.next(now)
            assert first is not None, "the room is not empty"
            if not first.done():
                first.set_result(self._begin())

    def _look_again(self) -> None:
        self._again = None
        self.look(self._node.clock.now())

    def _begin(self) -> Turn:
        self.judging += 1
        return Turn(self, self._node.clock.now())

    def _next_turn(self) -> None:
        now = self._node.clock.now()
        for began in self._ended:
            self.limit.note(now - began, self.judging, now)
        self.judging -= len(self._ended)
        self._ended.clear()
        if self._room:
            self.look(now)
