"""How a device is told where to connect, and with which token."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import Field, StringConstraints, model_validator

from keepline.settings.section import Count, Seconds, Section, Token

Policy = Literal["auto", "off", "open", "allow_list", "activation", "callback", "upstream"]
Minutes = Annotated[int, Ge(-1_440), Le(1_440)]
MaxPending = Annotated[int, Gt(0), Le(100_000)]  # a tenth of all codes there are
Link = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=512)]
# Shown on small screens, by fonts that do not have everything.
Notice = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=64)]


class Enrolment(Section):
    """Who is given a token at the configuration address `/xiaozhi/ota/`.

    `policy` is `auto` (`upstream` where there is an `upstream_url`, `open` on a loopback listener,
    else `activation`), `off`, `open`, `allow_list`, `activation`, `callback` or `upstream`.
    `devices` is a TOML file of devices, read again when it changes. `public_url` is where devices
    connect; without it the host that they asked is named. `notice` is shown by a device above its
    code. `pending_per_address` and `max_pending` bound the codes under way; `address_burst` and
    `device_burst` requests are answered at once, then one each `address_refill_s` and
    `device_refill_s`. `upstream_url` is the configuration address of a voice server, whose answer
    is passed on with our own address in it; its `mqtt` part, by which devices would go around us,
    only with `upstream_mqtt`.
    """

    policy: Policy = "auto"
    devices: Path | None = None
    public_url: Link | None = None
    timezone_offset_minutes: Minutes = 0
    notice: Notice = "keepline"
    code_life_s: Seconds = 600.0
    pending_per_address: Count = 32
    max_pending: MaxPending = 1_000
    address_burst: Count = 200
    address_refill_s: Seconds = 0.1
    device_burst: Count = 20
    device_refill_s: Seconds = 2.0
    callback_url: Link | None = None
    callback_token: Token | None = Field(default=None, repr=False)
    callback_timeout_s: Seconds = 3.0
    upstream_url: Link | None = None
    upstream_mqtt: bool = False
    upstream_timeout_s: Seconds = 5.0

    @model_validator(mode="after")
    def _urls_are_urls(self) -> Self:
        if self.public_url is not None and not _is_url(self.public_url, {"ws", "wss"}):
            raise ValueError("public_url must be ws://HOST/PATH or wss://HOST/PATH")
        if self.callback_url is not None and not _is_url(self.callback_url, {"http", "https"}):
            raise ValueError("callback_url must be http://HOST/PATH or https://HOST/PATH")
        if self.upstream_url is not None and not _is_url(self.upstream_url, {"http", "https"}):
            raise ValueError("upstream_url must be http://HOST/PATH or https://HOST/PATH")
        return self

    @model_validator(mode="after")
    def _policy_has_what_it_needs(self) -> Self:
        if self.policy == "allow_list" and self.devices is None:
            raise ValueError("devices must be a file where policy is allow_list")
        if self.policy == "callback" and self.callback_url is None:
            raise ValueError("callback_url must be set where policy is callback")
        if self.policy == "upstream" and self.upstream_url is None:
            raise ValueError("upstream_url must be set where policy is upstream")
        return self


def _is_url(url: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in schemes
        and bool(parts.hostname)
        and port != 0
        and "@" not in parts.netloc
        and not parts.query
        and not parts.fragment
    )
