"""PURE: what a device says in one turn of a conversation, and what of it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keepline.fleet.habits import TurnKind
    from keepline.fleet.tally import Tally


class Utterance:
    """The numbered frames of one turn; its numbers are `first` to before `next`."""

    __slots__ = ("_expected", "_first", "_heard", "frames_left", "kind", "next", "sent_at")

    def __init__(self, kind: TurnKind, frames: int, first: int) -> None:
        """`frames` are to be said, the first of them with the number `first`."""
        self.kind = kind
        self.frames_left = frames
        self.next = first
        self.sent_at = 0.0  # when the last frame was said
        self._first = first
        self._expected = first
        self._heard = False

    def said(self, now: float) -> int:
        """Return the number of the frame that is said now."""
        number, self.next = self.next, self.next + 1
        self.frames_left -= 1
        self.sent_at = now
        return number

    def heard(self, now: float, tally: Tally) -> None:
        """Note that something is heard, ours or not."""
        if not self._heard and self.sent_at:
            self._heard = True
            tally.first_audio.add(now - self.sent_at)

    def heard_own(self, number: int, tally: Tally) -> None:
        """Count one of our own frames; of an earlier turn it is not counted here."""
        if number >= self._expected:
            tally.counts.frames_lost += number - self._expected
            self._expected = number + 1
        elif number >= self._first:
            tally.counts.frames_repeated += 1

    def end(self, tally: Tally) -> None:
        """Count what did not come; of an auto turn the server decides how much it records."""
        if self.kind != "auto":
            tally.counts.frames_lost += self.next - self._expected
