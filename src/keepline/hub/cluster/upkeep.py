"""Compares what this node holds with the directory: after each silence at once, else in turns.

A node that was cut off does not hear that its devices were taken. What it has lost it closes; what
the engine has lost is told to it again; what a former life of this node held is given back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from keepline.errors import HubDownError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.hub.cluster.records import Owner
    from keepline.hub.cluster.stream import Kept
    from keepline.hub.local import LocalHub

AT_ONCE: Final = 100
"""Devices that are looked up together."""

EACH_TICKS: Final = 10
ALL_TICKS: Final = 600
"""About a round in ten minutes, however many there are: it finds what nothing else has found."""


class Holding(Protocol):
    """The node whose devices are looked up."""

    async def find(self, device_id: str) -> tuple[Kept | None, Owner | None]:
        """Read an owner record. Raises HubDownError."""

    def is_ours(self, owner: Owner | None) -> bool:
        """Return whether that says that this life has the device."""

    async def settle(self, device_id: str, session_id: str) -> None:
        """Look again, behind all else of this device, and do what is to be done."""

    async def bury(self, device_id: str) -> None:
        """Give back a device that a former life of this node had."""


class Upkeep:
    """One round at a time; a new connection begins it anew."""

    def __init__(self, local: LocalHub, holding: Holding) -> None:
        self._local = local
        self._holding = holding
        self._after = ""
        self._is_urgent = False
        self._is_anew = False  # a round has to begin where devices begin
        self._ticks = 0
        self._left: list[str] = []  # of former lives
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is looked up just now, nor has to be soon."""
        return self._looking is None and not self._left and not self._is_urgent

    def inherit(self, devices: Sequence[str]) -> None:
        """A former life of this node had these."""
        self._left = list(devices)

    def all_at_once(self) -> None:
        """We did not hear for a while: look at everything, now."""
        self._is_urgent, self._is_anew = True, True
        if self._looking is None:
            self._begin(0)

    def each_tick(self, held: int) -> None:
        """Look at a few, or at all; `held` is how many there are."""
        self._ticks += 1
        if self._looking is not None:
            return
        if self._left or self._is_urgent or self._ticks % EACH_TICKS == 0:
            few = max(1, held * EACH_TICKS // ALL_TICKS)
            self._begin(few)

    async def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    def _begin(self, few: int) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look(few))
        self._looking.add_done_callback(self._done)

    async def _look(self, few: int) -> None:
        with suppress(HubDownError):  # at the next tick again
            while self._left:
                some = self._left[-AT_ONCE:]
                await asyncio.gather(*(self._holding.bury(device_id) for device_id in some))
                del self._left[-AT_ONCE:]
            while self._is_urgent:
                await self._look_at(AT_ONCE)
                self._is_urgent = self._is_anew or self._after != ""
            while few > 0:
                await self._look_at(min(few, AT_ONCE))
                few = few - AT_ONCE if self._after and not self._is_anew else 0

    async def _look_at(self, count: int) -> None:
        if self._is_anew:
            self._after, self._is_anew = "", False
        page = await self._local.held(self._after, count)
        found = await asyncio.gather(*(self._holding.find(each.device_id) for each in page))
        for each, (_, owner) in zip(page, found, strict=True):
            if not self._holding.is_ours(owner):
                await self._holding.settle(each.device_id, each.session_id)
        self._after = page[-1].device_id if len(page) == count else ""

    def _done(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()
