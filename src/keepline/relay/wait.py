"""A device's wait for an upstream: when to try next, what it said meanwhile, its patience."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from keepline.gateway.backlog import Backlog, Put

if TYPE_CHECKING:
    import asyncio

    from keepline.relay.link import Link
    from keepline.relay.relay import Relay
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
        "_relay",
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

    def __init__(
        self, session: RelaySession, relay: Relay, *, dial_at: float = inf, late_at: float = inf
    ) -> None:
        """Nothing happens before `dial`, `hurry` or `arm`."""
        self._relay = relay
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

    # -- time ------------------------------------------------------------------------------

    def dial(self) -> None:
        """Have an upstream tried now."""
        self.dial_at = inf
        self._relay.dial(self)
        self.arm()

    def hurry(self, late_at: float) -> None:
        """The device has begun to speak: it is tried now, and told something by `late_at`."""
        self.late_at = min(self.late_at, late_at)
        if self.dial_at < inf:
            self.dial()
        else:
            self.arm()

    def try_later(self, *, has_failed: bool = False) -> None:
        """None could be had now; try again in a moment, unless nobody waits any more."""
        if self.session.waiting is not self:
            return
        node = self.session.connection.node
        self.task = None
        self.tries += has_failed
        self.dial_at = node.ticker.now + self.retry_s() * node.random.uniform(0.5, 1.0)
        self.arm()

    def on_due(self, now: float) -> None:
        """It is time to try, or to tell the device that it takes long."""
        if now >= self.late_at:
            self.late_at = inf
            self.session.on_late(self)
        if now >= self.dial_at:
            self.dial()
        else:
            self.arm()

    def arm(self) -> None:
        """Look again when something is due; never, once nobody waits any more."""
        if self.session.waiting is self and (due := self.due()) < inf:
            self.session.connection.node.wheel.arm(self, due)

    def due(self) -> float:
        """Return when to look next, `inf` for never."""
        return min(self.dial_at, self.late_at)

    def retry_s(self) -> float:
        """Return the longest pause before the next try: doubled each time, short for the urgent."""
        longest_s = FIRST_RETRY_S * 4 if self.is_urgent else LAST_RETRY_S
        return float(min(FIRST_RETRY_S * 2 ** min(self.tries, 10), longest_s))

    def stop(self) -> None:
        """End everything that is under way."""
        self.dial_at = self.late_at = inf
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
        link, self.link = self.link, None
        if link is not None:
            link.close("not needed any more")
