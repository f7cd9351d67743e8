"""What one session's handler may take before it is ended, so that no other notices."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from keepline.settings.section import Count, Seconds, Section


class Isolation(Section):
    """The limits of a handler, and when its kind is left alone.

    A call that awaits for longer than `call_timeout_s` is cancelled and its session ended; while
    what the session says is heard, that time stands still. `tasks`, `timers` and `sends_per_s` are
    what one session may have beside its calls, and send in a second. When sessions of
    `failing_devices` devices, or of a tenth of all that are connected where that is more, have
    failed within `failing_within_s`, no more sessions of that handler are begun for
    `suspended_for_s`; then a few are, to see. The same goes for the devices of one address, which
    alone are refused then. A loop that is held up for `blocked_after_s` is told at once, with who
    holds it. `trace_memory` has Python note where memory was taken, for
    `keepline leaks`: it makes everything slower.
    """

    call_timeout_s: Seconds = 120.0
    tasks: Count = 64
    timers: Count = 256
    sends_per_s: Count = 1_000
    failing_devices: Count = 10
    failing_within_s: Seconds = 60.0
    suspended_for_s: Seconds = 30.0
    blocked_after_s: Seconds = 0.5
    trace_memory: bool = False

    @model_validator(mode="after")
    def _a_block_is_more_than_a_late_tick(self) -> Self:
        least_s = 0.3  # a tick of 0.1 s, and as long again for a machine that is busy
        if self.blocked_after_s < least_s:
            raise ValueError(
                f"isolation.blocked_after_s must be at least {least_s} (the loop ticks every"
                f" 0.1 s), not {self.blocked_after_s}"
            )
        return self
