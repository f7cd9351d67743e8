"""What nobody comes for: devices of the dead, states whose window is over, records of the gone.

One node of all does it, the one whose life has the first name, a quarter of an hour apart. That two
do it at a time does no harm: everything is written on the condition that nothing has changed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from keepline.errors import HubDownError
from keepline.hub.cluster.records import DEVICES, OWN, name_of, read_owner

if TYPE_CHECKING:
    from keepline.hub.cluster.records import Owner
    from keepline.hub.cluster.stream import Found, Streams

EACH_TICKS: Final = 900
AT_ONCE: Final = 200
PAUSE_S: Final = 0.05
"""Between two pages: a sweep is in nobody's way."""


class Fate(NamedTuple):
    """What becomes of a record."""

    is_buried: bool = False  # its node is long dead
    is_forgotten: bool = False  # its window is over
    is_removed: bool = False  # nothing was kept, and for long


class Undertaker(Protocol):
    """Does what a sweep finds; every method may find that it is too late."""

    def fate(self, owner: Owner) -> Fate:
        """Return what is to become of it."""

    async def lay_to_rest(self, device_id: str, found: Found, owner: Owner, fate: Fate) -> None:
        """Do that. Raises HubDownError."""


class Sweep:
    """Looks at every owner's record once in a while."""

    def __init__(self, streams: Streams, undertaker: Undertaker) -> None:
        self._streams = streams
        self._undertaker = undertaker
        self._ticks = 0
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is looked at just now."""
        return self._sweeping is None

    def each_tick(self, *, is_ours_to_do: bool) -> None:
        """Begin when it is time."""
        self._ticks += 1
        if self._ticks % EACH_TICKS == 0 and is_ours_to_do:
            self.begin()

    def begin(self) -> None:
        """Begin now, unless it goes on already."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep())
            self._sweeping.add_done_callback(self._done)

    async def stop(self) -> None:
        """Leave the rest."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})

    async def _sweep(self) -> None:
        after = 0
        with suppress(HubDownError):  # the next time again
            while page := await self._streams.page(DEVICES, f"{OWN}*", after, AT_ONCE):
                await asyncio.gather(*map(self._look_at, page))
                after = page[-1].sequence
                await asyncio.sleep(PAUSE_S)

    async def _look_at(self, found: Found) -> None:
        owner = read_owner(found.data)
        if owner is None:
            return
        fate = self._undertaker.fate(owner)
        if any(fate):
            device_id = name_of(found.subject.removeprefix(OWN))
            await self._undertaker.lay_to_rest(device_id, found, owner, fate)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._sweeping = None
        if not task.cancelled():
            task.exception()
