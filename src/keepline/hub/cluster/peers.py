"""PURE: which nodes are alive, by what they were heard to say and in ticks of our own.

A tick is about a second in which this node ran and could hear. So a stall of ours makes nobody
look dead, and who is missing is missing in the time that we have lived through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepline.hub.cluster.records import Beat

OVERDUE_TICKS: Final = 6
"""So many missed heartbeats make a node dead; its devices may be taken by force then."""

LONG_DEAD_TICKS: Final = 600
"""After so many nobody waits for a node any more: what it held is given back for it."""


class Peers:
    """The other nodes. Who was never heard is overdue once we have listened long enough."""

    def __init__(self) -> None:
        self._ticks = 0
        self._listening_since = 0
        self._heard: dict[str, tuple[int, Beat]] = {}
        self._left: dict[str, int] = {}

    def listen(self) -> None:
        """We are connected, perhaps again: whoever is alive has its time to be heard."""
        self._listening_since = self._ticks

    def tick(self) -> list[str]:
        """Count one second in which we could hear; return who has become overdue in it."""
        self._ticks += 1
        for life, (heard, _) in list(self._heard.items()):
            if self._ticks - heard > LONG_DEAD_TICKS:
                del self._heard[life]
        for life, since in list(self._left.items()):
            if self._ticks - since > LONG_DEAD_TICKS:
                del self._left[life]
        return [life for life in self._heard if self._missed(life) == OVERDUE_TICKS]

    def heard(self, life: str, beat: Beat) -> None:
        """A node has told how it is."""
        if beat.leaves:
            self._heard.pop(life, None)
            self._left[life] = self._ticks
        elif life not in self._left:
            self._heard[life] = (self._ticks, beat)

    def is_overdue(self, life: str) -> bool:
        """Return whether a life is over, as far as one can hear."""
        if life in self._left:
            return True
        return self._missed(life) >= OVERDUE_TICKS

    def is_long_dead(self, life: str) -> bool:
        """Return whether nobody waits for a life any more."""
        return life in self._left or self._missed(life) >= LONG_DEAD_TICKS

    def name_of(self, life: str) -> str:
        """Return the name of a node that was heard lately, empty for no such."""
        return self._heard[life][1].node if life in self._heard else ""

    def is_first(self, life: str) -> bool:
        """Return whether no life that is alive has a name before this one."""
        return all(self.is_overdue(other) for other in self._heard if other < life)

    def _missed(self, life: str) -> int:
        heard = self._heard[life][0] if life in self._heard else 0
        return self._ticks - max(heard, self._listening_since)

    def alive(self) -> Sequence[Beat]:
        """Return what every other node that is alive has told last."""
        return [beat for life, (_, beat) in self._heard.items() if not self.is_overdue(life)]
