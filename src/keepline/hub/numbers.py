"""Numbers of claims out of a block that the file has given away: none of them waits for the file.

What is left of a block when its process ends, however it ends, is never given out: numbers have
gaps, and grow.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from keepline.errors import HubDownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.hub.operations import Operation, Transaction

BLOCK: Final = 4_096
"""Half of it lasts for half a second of the worst storm; the next one is here in milliseconds."""


class TakeNumbers:
    """Give a block away; `before` is the number before its first, None until it is given."""

    size_bytes = 200

    def __init__(self) -> None:
        self.before: int | None = None
        self.places = 0  # so many of its first numbers are given out before it is here

    def run(self, transaction: Transaction) -> None:
        self.before = transaction.take_numbers(BLOCK)


class Place(NamedTuple):
    """A number of a block that is under way, for who stands behind it in the file's queue."""

    block: TakeNumbers
    place: int

    def number(self) -> int:
        """Return it, or 0 when the file could not give the block."""
        return 0 if self.block.before is None else self.block.before + self.place


class Numbers:
    """Hands numbers out from `begin` to `share`; in between, and when it has none, the file does.

    `ask` puts an operation into the file's queue, and raises HubDownError when there is no room.
    """

    __slots__ = ("_ask", "_block", "_is_alone", "_last", "_latest")

    def __init__(self, ask: Callable[[Operation], asyncio.Future[object]]) -> None:
        self._ask = ask
        self._is_alone = False
        self._latest = 0  # that was handed out
        self._last = 0  # of the block
        self._block: TakeNumbers | None = None  # the next one, under way

    async def begin(self) -> None:
        """Nobody else has numbers of this file: get a block."""
        self._is_alone = True
        asked = self._want()
        if asked is not None:
            await asyncio.wait({asked})

    def share(self) -> None:
        """Somebody else has numbers, too: only the file knows which is next."""
        # A block that is under way is below what the file gives from now on: it comes too late.
        self._is_alone = False
        self._latest = self._last
        self._block = None

    def take(self) -> int | Place:
        """Return the next one, or its place in a block under way, or 0 to have the file give one.

        What is not a number yet is for an operation that is put into the file's queue at once:
        the block stands before it, and any later block behind it. So the numbers of a device grow.
        """
        if self._latest < self._last:
            self._latest += 1
            if self._last - self._latest < BLOCK // 2 and self._block is None:
                self._want()
            return self._latest
        if self._is_alone and self._block is None:
            self._want()
        if self._block is None or self._block.places == BLOCK:
            return 0
        self._block.places += 1
        return Place(self._block, self._block.places)

    def _want(self) -> asyncio.Future[object] | None:
        block = TakeNumbers()
        with suppress(HubDownError):
            asked = self._ask(block)
            asked.add_done_callback(partial(self._on_taken, block))
            self._block = block
            return asked
        return None

    def _on_taken(self, block: TakeNumbers, taken: asyncio.Future[object]) -> None:
        if block is not self._block:
            return
        self._block = None
        if taken.cancelled() or taken.exception() is not None or block.before is None:
            return
        if block.places or block.before != self._last:
            self._latest = block.before + block.places
        self._last = block.before + BLOCK
