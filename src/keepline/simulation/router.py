"""A router on a device's way: it forgets a connection on which nothing has passed for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from keepline.simulation.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.simulation.flow import Mark, Segment
    from keepline.simulation.path import Path
    from keepline.simulation.timeline import Timeline


class Mapping:
    """What a router knows of one connection, in both directions, until it `has_forgotten`."""

    __slots__ = ("_forgets_s", "_on_forgotten", "_passed_at", "_timeline", "has_forgotten")

    def __init__(
        self, timeline: Timeline, forgets_s: float, on_forgotten: Callable[[], None]
    ) -> None:
        self.has_forgotten = False
        self._timeline = timeline
        self._forgets_s = forgets_s
        self._on_forgotten = on_forgotten
        self._passed_at = timeline.now

    def passes(self) -> bool:
        """Something is sent; return whether it passes, which counts."""
        now = self._timeline.now
        if not self.has_forgotten and now - self._passed_at > self._forgets_s:
            self.has_forgotten = True
            self._on_forgotten()
        self._passed_at = now
        return not self.has_forgotten


class ForgettingFlow(Flow):
    """One direction through a router: what it has forgotten goes nowhere, and nobody is told."""

    __slots__ = ("_mapping",)

    def __init__(
        self,
        timeline: Timeline,
        path: Path,
        direction: Literal["up", "down"],
        receive: Callable[[Segment], None],
        mapping: Mapping,
    ) -> None:
        super().__init__(timeline, path, direction, receive)
        self._mapping = mapping

    def send(self, segment: Segment) -> None:
        """Send, if the router knows the connection."""
        if not self._mapping.passes():
            self.is_lost = True
        super().send(segment)

    def send_past(self, mark: Mark) -> None:
        """Send a mark, which is lost if the router knows nothing of the connection."""
        if self._mapping.passes():
            super().send_past(mark)

    def _let_go(self, most_bytes: int | None) -> None:
        if not self._mapping.has_forgotten:
            super()._let_go(most_bytes)
