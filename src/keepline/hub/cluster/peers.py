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

FORGOTTEN_TICKS: Final = 600
"""Who has been dead for so long is not remembered as such: it is as dead as who was never heard."""


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

    def tick(self) -> None:
        """Count one second in which we could hear."""
        self._ticks += 1
        for life, (heard, _) in list(self._heard.items()):
            if self._ticks - heard > FORGOTTEN_TICKS:
                del self._heard[life]
        for life, since in list(self._left.items()):
            if self._ticks - since > FORGOTTEN_TICKS:
                del self._left[life]

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
        heard = self._heard[life][0] if life in self._heard else 0
        return self._ticks - max(heard, self._listening_since) >= OVERDUE_TICKS

    def alive(self) -> Sequence[Beat]:
        """Return what every other node that is alive has told last."""
        return [beat for life, (_, beat) in self._heard.items() if not self.is_overdue(life)]
