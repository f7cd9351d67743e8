"""Whom to tell of alerts, and how often is too often."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Self

from annotated_types import Ge, Le
from pydantic import Field, model_validator

from keepline.settings.section import (
    Count,
    Seconds,
    Section,
    Texts,
    Token,
    check_web_address,
)
from keepline.settings.webhook import Url  # noqa: TC001 - pydantic reads the annotations


class Alerts(Section):
    """Whom to tell of alerts, besides the log and the API; docs/alerts.md explains it.

    `command` is a program and its arguments, given each alert as JSON. `url` is sent each alert in
    the form of `template`: one that comes with Keepline (alertmanager, feishu, robot, slack), or a
    file; without one Keepline's own. It is signed where there is a `secret`. Who is told gets
    `timeout_s` each time. An alert that stays open and is not acknowledged is told again each
    `repeat_s` (0: never). One that opens `flap_opens` times within `flap_within_s` is one alert
    from then on, until nothing has been seen of it for `calm_s`.
    """

    command: Texts = ()
    url: Url | None = Field(default=None, repr=False)
    secret: Token | None = Field(default=None, repr=False)
    template: str | None = None
    ca_file: Path | None = None
    timeout_s: Seconds = 10.0
    repeat_s: Annotated[float, Ge(0), Le(604_800)] = 0.0
    flap_opens: Annotated[Count, Ge(2)] = 4
    flap_within_s: Seconds = 1_800.0
    calm_s: Seconds = 900.0

    @model_validator(mode="after")
    def _is_a_web_address(self) -> Self:
        check_web_address(self.url)
        return self

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Self:
        if self.url is None and self.template is not None:
            raise ValueError("template is for the url that alerts are sent to, and there is none")
        return self
