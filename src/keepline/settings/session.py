"""How a session is waited for, and what may wait in it."""

from __future__ import annotations

from keepline.settings.section import Count, Seconds, Section


class Session(Section):
    """How long is waited for a device.

    `hello_timeout_s` runs from accept to hello, `idle_after_s` from the last data message to
    IDLE, `close_timeout_s` from our Close frame to dropping TCP, `closed_timeout_s` bounds the
    handler's own `closed`.
    """

    hello_timeout_s: Seconds = 10.0
    idle_after_s: Seconds = 30.0
    close_timeout_s: Seconds = 1.0
    closed_timeout_s: Seconds = 5.0


class Inbox(Section):
    """What may wait for a handler: surplus audio is dropped, surplus control ends the session."""

    audio_frames: Count = 64
    control_messages: Count = 64
    bytes: Count = 262_144


class Outbox(Section):
    """What may wait for a device: as `Inbox`; no progress for `stuck_after_s` ends the session."""

    audio_frames: Count = 64
    control_messages: Count = 256
    bytes: Count = 1_048_576
    high_water_bytes: Count = 65_536
    stuck_after_s: Seconds = 30.0
