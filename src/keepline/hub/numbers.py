"""Numbers of claims out of a block that the file has given away: none of them waits for the file.

What is left of a block when its process ends, however it ends, is never given out: numbers have
gaps, and grow.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from keepline.errors import HubDownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.hub.operations import Operation, Transaction

BLOCK: Final = 4_096
"""Half of it lasts for half a second of the worst storm; the next one is here in milliseconds."""


class TakeNumbers(NamedTuple):
    """Give a block away; return the number before its first."""

    size_bytes: int = 200

    def run(self, transaction: Transaction) -> int:
        return transaction.take_numbers(BLOCK)


class Numbers:
    """Hands numbers out from `begin` to `share`; in between, and when it has none, the file does.

    `ask` runs an operation, and raises HubDownError when there is no room for it.
    """

    __slots__ = ("_ask", "_asked", "_is_alone", "_last", "_latest")

    def __init__(self, ask: Callable[[Operation], asyncio.Future[object]]) -> None:
        self._ask = ask
        self._is_alone = False
        self._latest = 0  # that was handed out
        self._last = 0  # of the block
        self._asked: asyncio.Future[object] | None = None

    async def begin(self) -> None:
        """Nobody else has numbers of this file: get a block."""
        self._is_alone = True
        self._want()
        if self._asked is not None:
            await asyncio.wait({self._asked})

    def share(self) -> None:
        """Somebody else has numbers, too: only the file knows which is next."""
        self._is_alone = False
        self._run_out()

    def take(self) -> int:
        """Return the next one, or 0 to have the file give one, which is above all of these."""
        if self._latest == self._last:
            self._run_out()
            return 0
        self._latest += 1
        if self._last - self._latest < BLOCK // 2 and self._asked is None:
            self._want()
        return self._latest

    def each_second(self) -> None:
        """Begin anew after it had none: the store was away for long, or the crowd was too large."""
        if self._is_alone and self._latest == self._last and self._asked is None:
            self._want()

    def _run_out(self) -> None:
        # A block that is under way is below what the file gives from now on: it comes too late.
        self._latest = self._last
        self._asked = None

    def _want(self) -> None:
        with suppress(HubDownError):
            self._asked = self._ask(TakeNumbers())
            self._asked.add_done_callback(self._on_taken)

    def _on_taken(self, taken: asyncio.Future[object]) -> None:
        if taken is not self._asked:
            return
        self._asked = None
        if not taken.cancelled() and taken.exception() is None:
            before = cast("int", taken.result())
            if before != self._last:
                self._latest = before
            self._last = before + BLOCK
