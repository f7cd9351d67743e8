"""How a gateway leaves: what it waits for, how fast devices go, what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le
from pydantic import Field, StringConstraints, model_validator

from keepline.settings.section import Seconds, Section

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from keepline.lifecycle.profile import Profile

Rate = Annotated[float, Ge(0.1), Le(1_000_000)]
Target = Annotated[str, StringConstraints(pattern=r"^wss?://[\x21-\x7e]+$", max_length=2_048)]


class Drain(Section):
    """How a gateway leaves; docs/drain.md explains it.

    For `unready_s` it only says that it is not ready, so that balancers notice. Then nobody is let
    in; conversations have `turn_s` to come to the end of a turn, and who has not gone after
    `wait_s` is closed at once. After `limit_s` what is left is dropped. Devices arrive elsewhere,
    or here again, at `rate_per_s`; None for what this node was seen to admit. Those that can be
    told are sent to `target` (None: where they were), once this gateway has been away for
    `away_s`. `message` is shown by who was in a conversation and can show something.
    """

    unready_s: Annotated[float, Ge(0), Le(3_600)] = 0.0
    turn_s: Annotated[float, Ge(0), Le(3_600)] = 15.0
    wait_s: Seconds = 20.0
    limit_s: Seconds = 30.0
    away_s: Annotated[float, Ge(0), Le(3_600)] = 5.0
    rate_per_s: Rate | None = None
    target: Target | None = None
    message: str = Field(
        default="The service is being renewed. Please ask again in a moment.", max_length=200
    )

    @property
    def longest_s(self) -> float:
        """How long a drain takes at most: what a supervisor has to give it."""
        return self.unready_s + self.limit_s

    @model_validator(mode="after")
    def _conversations_end_in_time(self) -> Self:
        if self.turn_s > self.wait_s:
            raise ValueError(
                f"turn_s must be at most wait_s ({self.wait_s:g}), not {self.turn_s:g}: a turn"
                f" that takes {self.turn_s:g} s would be cut after {self.wait_s:g} s"
            )
        return self


def check_waves(drain: Drain, each: int, profiles: Iterable[Profile], *, workers: int = 1) -> None:
    """Raise ValueError when `each` devices of every worker can never leave at this rate in time."""
    devices, product = each * workers, "" if workers == 1 else " * server.workers"
    rate, wait_s = drain.rate_per_s, drain.wait_s
    returning = [each.name for each in profiles if each.returns_by_itself]
    if rate is None or not returning or devices <= rate * wait_s:
        return
    raise ValueError(
        f"drain.rate_per_s must be at least {devices / wait_s:g}, not {rate:g}:"
        f" {devices} devices (server.max_connections{product}) at {rate:g} a second take"
        f" {devices / rate:g} s, and drain.wait_s is {wait_s:g}"
        f" (profiles.{returning[0]} comes back by itself, so its ends have to be spread)"
    )


def check_end(drain: Drain, closed_s: float, profiles: Iterable[Profile]) -> None:
    """Raise ValueError when who is closed last can never end within the limit."""
    slowest = max(profiles, key=lambda each: each.close_timeout_s)
    needed_s = drain.wait_s + slowest.close_timeout_s + closed_s
    if needed_s > drain.limit_s:
        raise ValueError(
            f"drain.limit_s must be at least {needed_s:g}, not {drain.limit_s:g}:"
            f" drain.wait_s ({drain.wait_s:g}), then profiles.{slowest.name}.close_timeout_s"
            f" ({slowest.close_timeout_s:g}), then session.closed_timeout_s ({closed_s:g})"
        )
