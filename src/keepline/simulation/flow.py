"""One direction of a TCP connection: in order, held while the way is cut or nobody reads."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.simulation.path import Path
    from keepline.simulation.timeline import Timeline

WINDOW_BYTES: Final = 65_536
"""What the two kernels hold of one direction, sent and not read."""


class Mark:
    """What can arrive beside bytes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


FIN: Final = Mark("FIN")
RST: Final = Mark("RST")
Segment: TypeAlias = bytes | Mark


class Flow:
    """Carries segments to `receive`. `on_room` is called when what was held has gone on its way."""

    __slots__ = (
        "_direction",
        "_held",
        "_last",
        "_path",
        "_receive",
        "_timeline",
        "held_bytes",
        "held_since",
        "is_lost",
        "is_unread",
        "on_room",
    )

    def __init__(
        self,
        timeline: Timeline,
        path: Path,
        direction: Literal["up", "down"],
        receive: Callable[[Segment], None],
    ) -> None:
        self.on_room: Callable[[], None] | None = None
        self.held_bytes = 0
        self.held_since: float | None = None  # since when something is not acknowledged
        self.is_unread = False  # the reader reads nothing
        self.is_lost = False  # the reader is gone, and acknowledges nothing
        self._timeline = timeline
        self._path = path
        self._direction = direction
        self._receive = receive
        self._held: deque[Segment] = deque()
        self._last = 0.0

    @property
    def is_held(self) -> bool:
        """Whether what is sent now does not arrive for the time being."""
        if self.held_since is not None or self.is_unread or self.is_lost:
            return True
        path = self._path
        return self._timeline.now < path.blocked_until and path.is_blocked(self._direction)

    @property
    def room_bytes(self) -> int:
        """How much more the kernels take."""
        return WINDOW_BYTES - self.held_bytes

    def send(self, segment: Segment) -> None:
        """Send, after everything that was sent before."""
        if self.is_held:
            self._hold(segment)
            return
        path, timeline = self._path, self._timeline
        when = timeline.now + path.takes_s()
        if when < self._last:  # noqa: PLR1730 (no call)
            when = self._last
        if not path.is_plain and isinstance(segment, bytes) and (at := path.cut(segment)):
            timeline.at(when, self._receive, segment[:at])
            segment = segment[at:]
            when += path.takes_s()
        self._last = when
        timeline.at(when, self._receive, segment)

    def send_past(self, mark: Mark) -> None:
        """Send a mark past everything that is held; it is lost when the way is cut."""
        if not self._path.is_blocked(self._direction):
            self._timeline.at(self._timeline.now + self._path.takes_s(), self._receive, mark)

    def read(self, most_bytes: int | None = None) -> None:
        """The reader reads again, or reads so much and no more."""
        if most_bytes is None:
            self.is_unread = False
        if self.is_lost:
            return
        if not self._path.is_blocked(self._direction):
            self._let_go(most_bytes)
        elif self._held:
            self._path.waiting[self._retry] = None

    def drop(self) -> None:
        """Forget what is held: nobody will ever read it."""
        self._held.clear()
        self.held_bytes = 0
        self.held_since = None
        self.on_room = None

    def _hold(self, segment: Segment) -> None:
        if self.held_since is None:
            self.held_since = self._timeline.now
            if not self.is_unread:
                self._path.waiting[self._retry] = None
        self._held.append(segment)
        if isinstance(segment, bytes):
            self.held_bytes += len(segment)

    def _retry(self) -> None:
        """The way is whole again; what was sent in vain is sent anew when TCP comes to it."""
        if self.held_since is not None:
            blocked_s = self._timeline.now - self.held_since
            wait_s = self._path.retried_after_s(blocked_s)
            self._timeline.at(self._timeline.now + wait_s, self._sent_again)

    def _sent_again(self, _: None) -> None:
        if self._path.is_blocked(self._direction):
            self._path.waiting[self._retry] = None
        elif not (self.is_unread or self.is_lost):
            self._let_go(None)

    def _let_go(self, most_bytes: int | None) -> None:
        """Send what is held, as one stretch of bytes as far as it is bytes."""
        held, left_bytes = self._held, self.held_bytes if most_bytes is None else most_bytes
        going: list[Segment] = []
        while held:
            segment = held[0]
            if isinstance(segment, Mark):
                if most_bytes is not None:
                    break
                going.append(held.popleft())
                continue
            part = segment[:left_bytes]
            if not part:
                break
            if len(part) == len(segment):
                held.popleft()
            else:
                held[0] = segment[len(part) :]
            left_bytes -= len(part)
            self.held_bytes -= len(part)
            if going and isinstance(going[-1], bytes):
                going[-1] += part
            else:
                going.append(part)
        self.held_since = self._timeline.now if held else None
        self._last = max(self._last, self._timeline.now + self._path.takes_s())
        for segment in going:
            self._timeline.at(self._last, self._receive, segment)
        if self.on_room is not None:
            self.on_room()
