"""How devices are passed on to voice servers, and what becomes of them when one fails."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Literal

from pydantic import Field

from keepline.settings.section import Seconds, Section, Token

When = Literal["hello", "speech"]
Cut = Literal["stop", "alert", "close"]


class Relay(Section):
    """How a device is passed on to an upstream; docs/relay.md explains it.

    `open` is when: at the device's hello, or only when it says something; then the upstream is
    given up again once nothing was said for `release_after_s`. A hello that no upstream has
    answered after `hello_timeout_s` is answered by Keepline. `on_cut` is what a device is sent
    whose conversation was cut, `cut_message` what an alert says. Who was not talking is connected
    anew within `reopen_within_s`. `token` is shown to upstreams instead of the device's own; `ca`
    (PEM) replaces the system's authorities for `wss`.
    """

    open: When = "hello"
    release_after_s: Seconds = 60.0
    hello_timeout_s: Seconds = 7.0
    connect_timeout_s: Seconds = 5.0
    reopen_within_s: Seconds = 5.0
    on_cut: Cut = "stop"
    cut_message: str = Field(default="The connection was lost. Please ask again.", max_length=200)
    ping_interval_s: Seconds = 20.0
    ping_timeout_s: Seconds = 20.0
    token: Token | None = Field(default=None, repr=False)
    ca: Path | None = None
