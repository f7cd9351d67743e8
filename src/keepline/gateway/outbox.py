"""What waits to be sent while a device's socket takes nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway.backlog import Backlog
from keepline.wire.frames import text_of

if TYPE_CHECKING:
    from keepline.settings.session import Outbox as OutboxLimits


class Outbox(Backlog[bytes]):
    """The frames behind a full socket buffer; exists only while writing is paused.

    The reader is judged by progress, not by size: as long as the socket's buffer reaches new
    lows, somebody is reading.
    """

    __slots__ = ("_lowest_at", "_lowest_bytes", "_stuck_after_s", "unanswered_ping")

    def __init__(self, settings: OutboxLimits, *, now: float, buffered_bytes: int) -> None:
        super().__init__(
            audio_limit=settings.audio_frames,
            control_limit=settings.control_messages,
            bytes_limit=settings.bytes,
        )
        self._stuck_after_s = settings.stuck_after_s
        self._lowest_bytes = buffered_bytes
        self._lowest_at = now
        # Only the newest ping needs a pong (RFC 6455 §5.5.3).
        self.unanswered_ping: bytes | None = None

    def begin_anew(self, *, now: float, buffered_bytes: int) -> None:
        """The socket's buffer was emptied and filled again: that was progress."""
        self._lowest_bytes = buffered_bytes
        self._lowest_at = now

    def is_stuck(self, *, now: float, buffered_bytes: int) -> bool:
        """Return whether the socket's buffer has made no new low for `stuck_after_s`."""
        if buffered_bytes < self._lowest_bytes:
            self._lowest_bytes = buffered_bytes
            self._lowest_at = now
        return now - self._lowest_at >= self._stuck_after_s

    def texts(self) -> list[str]:
        """Return the text messages that wait, in order."""
        return [text for frame in self.control() if (text := text_of(frame)) is not None]
