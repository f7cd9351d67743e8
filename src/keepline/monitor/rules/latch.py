"""Hysteresis: what raises a finding, what clears it, and how long it holds. Pure."""

from __future__ import annotations


class Latch:
    """Raised when a condition has lasted; lowered when its opposite has lasted longer.

    Between the two conditions it stays as it is, which is what keeps a value that trembles about
    a limit from raising it again and again.
    """

    __slots__ = ("_held_since", "_hold_s", "_raise_after_s", "_wanted_since", "raised")

    def __init__(self, raise_after_s: float, hold_s: float) -> None:
        self.raised = False
        self._raise_after_s = raise_after_s
        self._hold_s = hold_s
        self._wanted_since: float | None = None
        self._held_since = 0.0

    def update(self, now: float, *, over: bool, clear: bool) -> bool:
        """Take in one look, and return whether it is raised."""
        if self.raised:
            if not clear:
                self._held_since = now
            self.raised = not clear or now - self._held_since < self._hold_s
        elif over:
            if self._wanted_since is None:
                self._wanted_since = now
            if now - self._wanted_since >= self._raise_after_s:
                self.raised = True
                self._held_since = now
        if self.raised or not over:
            self._wanted_since = None
        return self.raised
