"""How a session is waited for, and what may wait in it."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from keepline.settings.section import Count, Seconds, Section

AudioVersion = Annotated[int, Ge(1), Le(3)]
SnapshotBytes = Annotated[int, Ge(1), Le(65_536)]  # half of what a hub keeps of a device


class Session(Section):
    """How long is waited for a handler, and what is kept and sent for it.

    `idle_after_s` runs from the last data message to IDLE, and once more for a message that is
    under way then. `closed_timeout_s` bounds the handler's own `closed`; how long is waited for a
    device is a matter of its profile. `audio_version` is how the configuration tells devices to
    frame their audio (1, 2 or 3); who says another one is served in that. `packets_ahead` is how
    far audio may be ahead of real time. `snapshot_timeout_s` and `snapshot_bytes` bound what a
    handler leaves to the device's next session.
    """

    idle_after_s: Seconds = 30.0
    closed_timeout_s: Seconds = 5.0
    audio_version: AudioVersion = 1
    packets_ahead: Count = 5
    snapshot_timeout_s: Seconds = 2.0
    snapshot_bytes: SnapshotBytes = 65_536


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
