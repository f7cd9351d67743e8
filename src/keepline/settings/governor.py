"""From when on a node counts as pressed, and how many handshakes it judges at once."""

from __future__ import annotations

from typing import Annotated, Self

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from keepline.settings.section import Count, Seconds, Section, Texts

ACTIONS = ("shrink", "slow", "hold", "shed", "resumes_only", "none")
"""What can be done, mildest first; gateway/governor/actions.py says what each is."""

Share = Annotated[float, Ge(0), Le(1)]
Bytes = Annotated[int, Ge(0), Le(1 << 40)]


class Governor(Section):
    """What is done while the node is pressed; docs/governor.md.

    Each signal is 0 up to its `…_lo…` and 1 from its `…_hi…` on: the loop's lateness (p95 of two
    seconds), this process's share of its memory limit, bytes in queues, and for how long more than
    32 have been waiting to be judged. `disabled` names actions that are not taken. A device that
    comes back at a fixed pace is held for up to `hold_s`, `held` of them at once, but no more than
    half of the handshakes that `server` allows, in all and of one address. `judged_least`
    to `judged_most` requests are judged at once; the others wait, for `wait_s` at most: who would
    wait longer is refused at once.
    """

    enabled: bool = True
    disabled: Texts = ()
    lag_lo_s: Seconds = 0.02
    lag_hi_s: Seconds = 0.2
    memory_lo_share: Share = 0.0
    memory_hi_share: Share = 1.0
    queued_lo_bytes: Bytes = 16_777_216
    queued_hi_bytes: Bytes = 268_435_456
    standing_lo_s: Seconds = 0.5
    standing_hi_s: Seconds = 5.0
    hold_s: Annotated[float, Gt(0), Le(9)] = 8.0
    held: Count = 1_024
    judged_least: Count = 20
    judged_most: Count = 200
    wait_s: Annotated[float, Gt(0), Le(9)] = 5.0

    @model_validator(mode="after")
    def _each_low_is_below_its_high(self) -> Self:
        for low, high in (
            ("lag_lo_s", "lag_hi_s"),
            ("memory_lo_share", "memory_hi_share"),
            ("queued_lo_bytes", "queued_hi_bytes"),
            ("standing_lo_s", "standing_hi_s"),
        ):
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(
                    f"{low} must be below {high} ({getattr(self, high):g}),"
                    f" not {getattr(self, low):g}"
                )
        if self.judged_least > self.judged_most:
            raise ValueError(
                f"judged_least must be at most judged_most ({self.judged_most}),"
                f" not {self.judged_least}"
            )
        return self

    @model_validator(mode="after")
    def _what_is_disabled_exists(self) -> Self:
        unknown = sorted(set(self.disabled) - set(ACTIONS))
        if unknown:
            raise ValueError(f"disabled has {', '.join(unknown)}, and takes {', '.join(ACTIONS)}")
        return self
