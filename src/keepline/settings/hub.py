"""What is remembered of devices, and for how long."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from keepline.settings.section import Section

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


class Hub(Section):
    """How long a device's state waits for it, and how much of its history is kept.

    `resume_window_s` runs from the end of a session. What is older than `keep_s` is forgotten, and
    the oldest events first beyond `events` of them or when the file is larger than `bytes`.
    """

    resume_window_s: Annotated[float, Ge(0), Le(30 * DAY_S)] = HOUR_S
    keep_s: Annotated[float, Ge(HOUR_S), Le(3_650 * DAY_S)] = 30 * DAY_S
    events: Annotated[int, Ge(1_000), Le(100_000_000)] = 1_000_000
    bytes: Annotated[int, Ge(1 << 20), Le(1 << 40)] = 1 << 30
