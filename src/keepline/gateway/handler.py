"""The contract between the gateway and the application behind a connection."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keepline.gateway.session import Session
    from keepline.reasons import CloseReason
    from keepline.wire.messages import DeviceMessage

Outcome = Awaitable[None] | None


class Handler:
    """What happens behind one connection. One instance per session; override what is needed.

    Every method may be `def` or `async def`. A plain one runs at once on the event loop and must
    not block. A coroutine runs in the session's worker task, which exists only while there is
    work. Either way the calls of one session come one at a time and in order. An exception ends
    this session with 1011 `handler_failed` and no other.
    """

    __slots__ = ()

    def opened(self, session: Session) -> Outcome:
        """The device said hello and the session is live."""

    def text(self, session: Session, message: DeviceMessage) -> Outcome:
        """A message of the device; types unknown to the protocol arrive as `Unknown`."""

    def audio(self, session: Session, frame: bytes) -> Outcome:
        """One Opus frame from the device's microphone."""

    def idle(self, session: Session) -> Outcome:
        """No data message for `session.idle_after_s`."""

    def woken(self, session: Session) -> Outcome:
        """The first data message after `idle`; it is delivered right after this call."""

    def draining(self, session: Session) -> Outcome:
        """The gateway is leaving; this session will be closed soon."""

    def closed(self, session: Session, reason: CloseReason) -> Outcome:
        """The last call of every session that was opened, however it ended."""
