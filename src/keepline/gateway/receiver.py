"""Who takes a connection's messages: `Greeting` until the hello, then `Session`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from keepline.reasons import CloseReason


class Receiver:
    """What a connection tells; by default nobody minds."""

    __slots__ = ()

    device_id = ""  # as soon as it is judged
    session_id = ""
    claim = 0  # as soon as the device is claimed

    @property
    def speaks_mcp(self) -> bool:
        """Whether the device said that it answers MCP requests."""
        return False

    def receive_text(self, text: str) -> None:
        """Take one text message."""

    def receive_binary(self, data: bytes) -> None:
        """Take one binary message."""

    def tell_idle(self) -> None:
        """No data message for `session.idle_after_s`."""

    def tell_woken(self) -> None:
        """The first data message after `tell_idle`, about to be delivered."""

    def tell_closing(self) -> None:
        """The end has begun: nothing can be sent any more, and nothing will be heard."""

    def pause_sending(self) -> None:
        """The device does not read: what is sent to it waits."""

    def resume_sending(self) -> None:
        """The device reads again."""

    def farewell(self, reason: CloseReason) -> tuple[int | None, str]:
        """Return code and words of the Close that ends the connection; no code, no Close."""
        return reason.code, reason.cause

    def release_buffers(self) -> None:
        """Give back what an idle device does not need."""

    def end(self, reason: CloseReason) -> Awaitable[None] | None:
        """The connection is gone; what is left to await is returned, else None."""

    def release(self) -> None:
        """Give back what was claimed; idempotent."""

    def forget(self) -> None:
        """Let go of what was kept beside it: it is over."""


NOBODY = Receiver()
"""Takes what is left to tell once the session has gone."""
