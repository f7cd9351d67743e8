"""What a device is told before it is closed, and with which reason that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.gateway.drain.plan import Return
from keepline.reasons import CloseReason
from keepline.wire.messages import Alert, Reconnect, encode_server_message

if TYPE_CHECKING:
    from keepline.gateway.session import Session


def return_of(session: Session) -> Return:
    """Return how a device comes back after its end."""
    if session.hello.has("reconnect") or session.profile.notice == "reconnect":
        return Return.TOLD
    return Return.NEVER if session.profile.reconnect == "never" else Return.BY_ITSELF


def back_s(session: Session) -> float:
    """Return how long a device takes that comes back by itself, at first."""
    return session.profile.reconnect_s or 0.0


def reason_for(comes_back: Return) -> CloseReason:
    """Return 1012 for who comes back by itself, 1001 for all others."""
    if comes_back is Return.NEVER:
        return CloseReason.SERVER_SHUTDOWN
    return CloseReason.SERVER_RESTART


def hint(after_s: float, target: str | None) -> str:
    """Return the message that says when to come back, and where."""
    return encode_server_message(Reconnect(round(after_s * 1_000), target or ""))


def notice(session: Session, message: str, *, in_conversation: bool) -> str | None:
    """Return what the user of a device is shown, None where nothing can or need be shown.

    Only who is in a conversation minds: an alert vibrates, and a bedroom at night should not.
    """
    if not in_conversation or session.profile.notice != "alert":
        return None
    return encode_server_message(Alert(status="NOTICE", message=message, emotion="neutral"))
