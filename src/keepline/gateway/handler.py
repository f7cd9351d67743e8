"""The contract between the gateway and the application behind a connection."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from keepline.gateway.session import Session
    from keepline.reasons import CloseReason
    from keepline.wire.messages import DeviceMessage

    S = TypeVar("S", bound=Session, default=Session)
else:
    from typing import TypeVar

    S = TypeVar("S")

Outcome = Awaitable[None] | None


class Handler(Generic[S]):
    """What happens behind one connection. One instance per session; override what is needed.

    Every method may be `def` or `async def`. A plain one runs at once on the event loop and must
    not block. A coroutine runs in the session's worker task, which exists only while there is
    work. With `threaded = True` every method is a plain one, runs in a thread and may block; its
    session is a `ThreadedSession`, and `Handler[ThreadedSession]` says so to a type checker.
    Either way the calls of one session come one at a time and in order. An exception ends this
    session with 1011 `handler_failed` and no other.
    """

    __slots__ = ()

    threaded: ClassVar[bool] = False

    def opened(self, session: S) -> Outcome:
        """The device said hello and the session is live."""

    def resumed(self, session: S) -> Outcome:
        """In place of `opened`: the session is live and goes on where `restore` was told."""

    def text(self, session: S, message: DeviceMessage) -> Outcome:
        """A message of the device; types unknown to the protocol arrive as `Unknown`."""

    def audio(self, session: S, frame: bytes) -> Outcome:
        """One Opus frame from the device's microphone."""

    def idle(self, session: S) -> Outcome:
        """No data message for `session.idle_after_s`."""

    def woken(self, session: S) -> Outcome:
        """The first data message after `idle`; it is delivered right after this call."""

    def draining(self, session: S) -> Outcome:
        """The gateway is leaving; this session will be closed soon."""

    def closed(self, session: S, reason: CloseReason) -> Outcome:
        """The last call of every session that was opened, however it ended."""

    def snapshot(self) -> Awaitable[bytes | None] | bytes | None:
        """Return what the device's next session needs to go on; None for nothing.

        At most `session.snapshot_bytes`, within `session.snapshot_timeout_s`. Called in turn with
        the other calls, when the session ends, is replaced, or turns idle; after an end, `closed`
        still follows.
        """

    def restore(self, state: bytes) -> Outcome:
        """Take over what the former handler's `snapshot` returned; `resumed` follows."""


AnyHandler: TypeAlias = Handler[Any]
