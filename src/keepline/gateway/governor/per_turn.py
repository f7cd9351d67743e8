"""So many begin in a turn of the loop; the others in the next ones, in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

MOST: Final = 32
"""Sessions are opened in about 0.1 ms each, so that is 3 ms, in which nobody else is heard."""


class PerTurn:
    """Who waits here is an admission like any other, and leaves with it."""

    __slots__ = ("_left", "_loop", "_most", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int = MOST) -> None:
        self._loop = loop
        self._most = self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def turn(self) -> None:
        """Return at once as long as this turn of the loop has room, else in one of the next."""
        if not self._left or self._waiting:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(turn)
            await turn
            return
        if self._left == self._most:
            self._loop.call_soon(self._next_turn)
        self._left -= 1

    def _next_turn(self) -> None:
        self._left = self._most
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        if self._left < self._most:
            self._loop.call_soon(self._next_turn)
