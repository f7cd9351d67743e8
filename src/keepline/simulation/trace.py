"""What happened, in short: the last of it to be read, and a hash of all of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from keepline.simulation.timeline import Timeline

KEPT: Final = 400


class Trace:
    """Two runs of a seed are the same run if their hashes are equal."""

    def __init__(self, timeline: Timeline) -> None:
        self.hash = 0
        self._timeline = timeline
        self._lines: deque[tuple[int, float, str, tuple[object, ...]]] = deque(maxlen=KEPT)

    def note(self, what: str, *details: object) -> None:
        """Note what happens now."""
        timeline = self._timeline
        self.hash = crc32(f"{timeline.steps} {timeline.now!r} {what} {details}".encode(), self.hash)
        self._lines.append((timeline.steps, timeline.now, what, details))

    def last(self, count: int) -> list[str]:
        """Return the last lines, the oldest first: step, virtual seconds, what."""
        lines = list(self._lines)[-count:]
        return [
            f"{step:>9}  {at:>11.4f}  {what}  {' '.join(map(str, details))}".rstrip()
            for step, at, what, details in lines
        ]
