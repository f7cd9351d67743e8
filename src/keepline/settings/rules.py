"""When a node's own numbers are worth a finding."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from annotated_types import Ge, Gt, Le
from pydantic import model_validator

from keepline.settings.section import Count, Seconds, Section


class Rules(Section):
    """When a node's own numbers are worth a finding; docs/rules.md explains it.

    Above `memory_bytes`, `cpu_percent` of one core, so many `connections` or messages in queues
    (`queue_depth`) for `raise_after_s`; over when it has been below `clear_share` of that for
    `hold_s`. `connections` of None are nine tenths of `server.max_connections`. A trend is found
    when what it eats into ends within `medium_within_s`, and a serious one within
    `high_within_s`; `trends` of seed knows growth by 50 MB or 10 connections in ten samples
    instead, and no end.
    """

    memory_bytes: Annotated[int, Gt(0), Le(1 << 50)] = 1_073_741_824
    cpu_percent: Annotated[float, Gt(0), Le(100_000)] = 80.0
    connections: Count | None = 1_000
    queue_depth: Count = 500
    clear_share: Annotated[float, Gt(0), Le(1)] = 0.75
    raise_after_s: Annotated[float, Ge(0), Le(86_400)] = 10.0
    hold_s: Annotated[float, Ge(0), Le(86_400)] = 60.0
    trends: Literal["exhaustion", "seed"] = "exhaustion"
    high_within_s: Seconds = 1_800.0
    medium_within_s: Seconds = 21_600.0

    @model_validator(mode="after")
    def _sooner_is_worse(self) -> Self:
        if self.high_within_s > self.medium_within_s:
            raise ValueError(
                f"high_within_s ({self.high_within_s:g}) must be at most medium_within_s"
                f" ({self.medium_within_s:g})"
            )
        return self
