"""PURE: how much audio may wait for a handler: more where handlers pause and catch up."""

from __future__ import annotations

from typing import Final

WIDEST: Final = 4
"""So many times what the settings say, at the most: 15 s of speech where that is 64 frames."""

STEP: Final = 1.5

SLOW: Final = 3
"""Who loses audio in so many samples in a row has not paused, but is slower than speech."""

SEVERAL: Final = 2
"""So many sessions have to lose audio at a time: one alone may have a handler like no other."""

FRAME_S: Final = 0.02
"""Of speech a frame is as long at least (60 ms in stock firmware): sooner only a burst fills it."""


class Inboxes:
    """`frames` may wait in the inbox of a session; `reason` is that of its last move.

    A handler that pauses, for a model's answer, say, and is quick again loses nothing where there
    is room for what is said meanwhile. One that is always slower than speech loses as much whatever
    there is room for, and is only the later. What bursts, as after a hole in a radio link, says
    nothing about handlers.
    """

    __slots__ = ("_base", "_just_lost", "_lately", "_losers", "_lost", "frames", "reason")

    def __init__(self, base: int) -> None:
        self.frames = base
        self.reason = ""
        self._base = base
        self._just_lost = 0  # since the last sample
        self._lately = 0  # so many samples in a row had losses
        self._lost = 0  # in them, up to the last sample
        self._losers: set[str] = set()  # in them, up to `SEVERAL`

    @property
    def widest(self) -> int:
        """How many there may be at the most."""
        return WIDEST * self._base

    def lost_by(self, device_id: str, waited_s: float) -> None:
        """A frame of that device was dropped; something has waited in its inbox for so long."""
        if waited_s < self.frames * FRAME_S:
            return
        self._just_lost += 1
        if len(self._losers) < SEVERAL:
            self._losers.add(device_id)

    def note(self, depth: float, *, alone: bool = False, given_up: bool = False) -> None:
        """A sample was taken: so much waits in an inbox on average.

        Who is `alone` is everybody. Where some was `given_up` for want of memory, inboxes are empty
        for that, and not since handlers have caught up.
        """
        lost, self._just_lost = self._just_lost, 0
        if given_up:
            self._begin_anew()
        elif lost:
            self._lately += 1
            self._lost += lost
            if self._lately >= SLOW and self.frames > self._base:
                self.frames = max(self._base, int(self.frames / STEP))
                self.reason = "handlers are slower than speech: with more room they are only later"
        elif self._lately:
            paused = self._lately < SLOW and len(self._losers) >= (1 if alone else SEVERAL)
            if paused and depth < self._base and self.frames < self.widest:
                self.frames = min(self.widest, int(self.frames * STEP))
                self.reason = f"{self._lost} frames were lost while handlers paused: they caught up"
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._lately = self._lost = 0
        self._losers.clear()
