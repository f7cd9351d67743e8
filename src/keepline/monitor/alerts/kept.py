"""What of alerts outlives a process: one small document in the hub. Pure."""

from __future__ import annotations

from msgspec import DecodeError, Struct, ValidationError, json

from keepline.monitor.alerts.alert import Alert  # noqa: TC001 (msgspec reads it)
from keepline.monitor.alerts.silences import Silence  # noqa: TC001 (msgspec reads it)

MEMO = "alerts"


class Kept(Struct, frozen=True):
    """Open alerts, the latest that are over, silences, and the numbers that come next."""

    next_number: int = 1
    next_silence: int = 1
    open: tuple[Alert, ...] = ()
    recent: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()


encode = json.Encoder().encode
_decode = json.Decoder(Kept).decode


def decode(memo: bytes | None) -> Kept | None:
    """Return what a memo says; None without one, or for one that nobody can read."""
    if memo is None:
        return None
    try:
        return _decode(memo)
    except (DecodeError, ValidationError):
        return None
