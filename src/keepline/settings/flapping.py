"""From when on who comes and goes without end is held, refused and kept out."""

from __future__ import annotations

from typing import Annotated, Self

from annotated_types import Gt, Le
from pydantic import model_validator

from keepline.settings.section import Count, Seconds, Section

SHORTEST_SHARE = 0.75
"""Of its full time at least so much is a device held; the rest is chance, so none march in step."""


class Flapping(Section):
    """When devices that connect and leave again and again are held up; docs/hostile-peers.md.

    A connection that its device ends, or has us end, within `short_life_s` counts. One that is
    over within 2 s counts for its device whoever ended it, unless an operator did. One in
    `device_calm_s` is forgotten again. When `device_delay` more have come to pass, the device's
    next upgrades are held for up to `delay_s`; beyond `device_deny` they are refused until it has
    calmed down, beyond `device_ban` for `ban_s`. The same goes for the short lives of a whole
    address, of which `address_calm_per_s` a second are forgotten; where more than ten times as
    many connections live, in proportion more. When two that say to be one device have replaced
    each other more than `kicks` times within `kicks_within_s`, who does not hold it is refused
    for `kick_hold_s`.
    """

    enabled: bool = True
    short_life_s: Seconds = 60.0
    device_calm_s: Seconds = 5.0
    device_delay: Count = 10
    device_deny: Count = 20
    device_ban: Count = 40
    address_calm_per_s: Annotated[float, Gt(0), Le(1_000_000)] = 20.0
    address_delay: Count = 1_000
    address_deny: Count = 2_000
    address_ban: Count = 4_000
    delay_s: Annotated[float, Gt(0), Le(9)] = 8.0
    ban_s: Seconds = 300.0
    kicks: Count = 3
    kicks_within_s: Seconds = 60.0
    kick_hold_s: Seconds = 120.0

    @model_validator(mode="after")
    def _one_step_follows_the_other(self) -> Self:
        for whose in ("device", "address"):
            steps = [getattr(self, f"{whose}_{step}") for step in ("delay", "deny", "ban")]
            if sorted(set(steps)) != steps:
                raise ValueError(
                    f"{whose}_delay, {whose}_deny and {whose}_ban must rise, not be"
                    f" {steps[0]}, {steps[1]} and {steps[2]}"
                )
        return self

    @model_validator(mode="after")
    def _who_waits_is_not_refused(self) -> Self:
        shortest_s = SHORTEST_SHARE * self.delay_s
        if shortest_s < self.device_calm_s:
            raise ValueError(
                f"delay_s must be at least {self.device_calm_s / SHORTEST_SHARE:g}, not"
                f" {self.delay_s:g}: one that waits as long as it is held, {SHORTEST_SHARE:g} of it"
                f" at least, must come no more often than every device_calm_s"
                f" ({self.device_calm_s:g})"
            )
        return self
