"""The queues that there are, of all sessions: added up, and looked at a part at a time."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, ref

from keepline.gateway.backlog import Backlog

if TYPE_CHECKING:
    from collections.abc import Iterator


class Backlogs(WeakSet[Backlog[Any]]):
    """Keeps none of them alive; whoever makes a queue adds it."""

    def __init__(self) -> None:
        super().__init__()
        self._rest: Iterator[ref[Backlog[Any]]] = iter(())

    def part(self, most: int) -> list[Backlog[Any]]:
        """Return up to `most`; goes round, so that each has its turn whatever its place."""
        part = list(islice(self._living(), most))
        if not part:
            self._rest = iter([ref(each) for each in self])
            part = list(islice(self._living(), most))
        return part

    def _living(self) -> Iterator[Backlog[Any]]:
        return (backlog for each in self._rest if (backlog := each()) is not None)
