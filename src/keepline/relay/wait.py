"""A device's wait for an upstream: when to try next, what it said meanwhile, its patience."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from keepline.gateway.backlog import Backlog, Put

if TYPE_CHECKING:
    import asyncio

    from keepline.relay.link import Link
    from keepline.relay.session import RelaySession
    from keepline.relay.upstreams.upstream import Upstream
    from keepline.settings.session import Inbox

FIRST_RETRY_S = 0.25
LAST_RETRY_S = 15.0


class Wait:
    """Exists only while a device wants an upstream and has none that has answered its hello.

    `dial_at` is when to try next, `inf` while something is under way; `late_at` when the device
    has to be told something in any case.
    """

    __slots__ = (
        "avoid",
        "backlog",
        "dial_at",
        "late_at",
        "link",
        "session",
        "task",
        "transport",
        "tries",
        "wheel_tick",
    )

    def __init__(self, session: RelaySession, *, dial_at: float, late_at: float) -> None:
        self.session = session
        self.transport = session.connection.transport
        self.dial_at = dial_at
        self.late_at = late_at
        self.backlog: Backlog[str | bytes] | None = None
        self.avoid: Upstream | None = None  # the last that failed
        self.link: Link | None = None  # connected; its hello has not come yet
        self.task: asyncio.Task[None] | None = None  # that connects
        self.tries = 0
        self.wheel_tick = -1

    @property
    def is_urgent(self) -> bool:
        """Whether the device has said something that no upstream has heard."""
        return self.backlog is not None

    def keep(self, message: str | bytes, limits: Inbox) -> Put:
        """Have a message wait; audio goes stale, control does not."""
        if self.backlog is None:
            self.backlog = Backlog(
                audio_limit=limits.audio_frames,
                control_limit=limits.control_messages,
                bytes_limit=limits.bytes,
            )
        return self.backlog.put(message, len(message), audio=isinstance(message, bytes))

    def retry_s(self) -> float:
        """Return the longest pause before the next try: doubled each time, short for the urgent."""
        longest_s = FIRST_RETRY_S * 4 if self.is_urgent else LAST_RETRY_S
        return float(min(FIRST_RETRY_S * 2 ** min(self.tries, 10), longest_s))

    def on_due(self, now: float) -> None:
        """It is time to try, or to tell the device."""
        self.session.on_wait(self, now)

    def due(self) -> float:
        """Return when to look next, `inf` for never."""
        return min(self.dial_at, self.late_at)

    def stop(self) -> None:
        """End everything that is under way."""
        self.dial_at = self.late_at = inf
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
        link, self.link = self.link, None
        if link is not None:
            link.close("not needed any more")
