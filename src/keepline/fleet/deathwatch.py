"""PURE: how long a server takes to notice that a device is dead, seen at the dead one's socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.wire import events

if TYPE_CHECKING:
    from keepline.fleet.tally import State, Tally
    from keepline.wire.reader import FrameReader


class Deathwatch:
    """Waits for the server's Close, FIN or RST, whichever is first; answers nothing."""

    __slots__ = ("_died_at", "_reader", "_state", "_tally", "is_over")

    def __init__(self, reader: FrameReader, state: State, died_at: float, tally: Tally) -> None:
        """`reader` is the dead device's own, which may be in the middle of a frame."""
        self._reader = reader
        self._state: State = state
        self._died_at = died_at
        self._tally = tally
        self.is_over = False

    def receive(self, data: bytes, now: float) -> None:
        """Read what the server still says to the dead."""
        found = self._reader.receive(data)
        while self._reader.pending:
            found += self._reader.receive(b"")
        for event in found:
            if isinstance(event, events.Close):
                self._judged(str(event.code or "close"), now)

    def ended(self, now: float, *, reset: bool) -> None:
        """TCP is over."""
        self._judged("rst" if reset else "fin", now)

    def returned(self) -> None:
        """The device is back before anybody noticed: what ends the old socket is no verdict."""
        if not self.is_over:
            self.is_over = True
            self._tally.counts.returned_unnoticed += 1

    def _judged(self, how: str, now: float) -> None:
        if not self.is_over:
            self.is_over = True
            self._tally.counts.verdicts[how] += 1
            self._tally.verdicts[self._state].add(now - self._died_at)
