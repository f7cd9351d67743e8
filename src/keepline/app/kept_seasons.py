"""What the hours of a week bring, in the hub: from one life of a node to the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from keepline.errors import HubDownError

if TYPE_CHECKING:
    from keepline.hub.port import Hub
    from keepline.log import Log
    from keepline.monitor.rules.seasons import Seasons

SEASONS: Final = "seasons"
"""Their name in the hub."""


class KeptSeasons:
    """Takes them up at the start, and writes them down once an hour.

    What could not be read is not written over: with the next news it is asked for again, and the
    few hours that were learned meanwhile are given up for the weeks that come of it.
    """

    def __init__(self, seasons: Seasons, hub: Hub, log: Log) -> None:
        self._seasons = seasons
        self._hub = hub
        self._log = log
        self._is_read = False
        self._reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Go on with what a former life has learned, if the hub can be asked."""
        try:
            memo = await self._hub.memo(SEASONS)
        except HubDownError as error:
            self._log.warning("seasons_unreadable", error=error)
            return
        self._is_read = True
        if memo is not None and not self._seasons.take_up(memo):
            self._log.warning("seasons_unreadable")

    def keep(self) -> None:
        """Write down what is new, if anything is; to be called after each look."""
        if not self._seasons.has_news:  # once an hour
            return
        kept = self._seasons.kept()
        if self._is_read:
            self._hub.keep_memo(SEASONS, kept)
        elif self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self.read())

    async def stop(self) -> None:
        """Read nothing any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
