"""Whom to tell when devices come and go."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Final, Self

from annotated_types import Ge, Le
from pydantic import Field, StringConstraints, model_validator

from keepline.settings.section import (
    Count,
    Seconds,
    Section,
    Texts,
    Token,
    check_web_address,
)

Url = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=2_048)]
EVENTS: Final = ("gateway.started", "device.online", "device.offline")


class Webhook(Section):
    """Whom to tell when devices come and go; docs/webhook.md explains it.

    What happens is sent to `url`, signed with `secret`; `events` says of what. A device is told to
    be offline when it has not come back within `offline_after_s` (0: at once). What cannot be
    delivered is tried again after `retry_min_s`, then ever later up to `retry_max_s`. Up to
    `waiting_events` wait, none longer than `waiting_s`, and `batch_events` at most go together.
    `ca_file` holds the certificates to trust, for an endpoint whose own comes from nobody public.
    """

    url: Url | None = Field(default=None, repr=False)
    secret: Token | None = Field(default=None, repr=False)
    events: Texts = EVENTS
    offline_after_s: Annotated[float, Ge(0), Le(3_600)] = 10.0
    timeout_s: Seconds = 5.0
    retry_min_s: Seconds = 1.0
    retry_max_s: Seconds = 60.0
    waiting_events: Count = 10_000
    waiting_s: Seconds = 3_600.0
    batch_events: Count = 200
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _is_a_web_address(self) -> Self:
        check_web_address(self.url)
        return self

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        if self.url is not None and self.secret is None:
            raise ValueError("secret must be set where url is: it signs what is sent")
        return self

    @model_validator(mode="after")
    def _events_exist(self) -> Self:
        unknown = set(self.events) - set(EVENTS)
        if unknown:
            raise ValueError(f"events may be {', '.join(EVENTS)}, not {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _waits_grow(self) -> Self:
        if self.retry_max_s < self.retry_min_s:
            raise ValueError(
                f"retry_max_s must be at least retry_min_s ({self.retry_min_s:g}),"
                f" not {self.retry_max_s:g}"
            )
        return self
