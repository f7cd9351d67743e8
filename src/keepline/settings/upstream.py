"""The voice servers that devices are passed on to, and how one is chosen."""

from __future__ import annotations

from typing import Annotated, Final, Self
from urllib.parse import SplitResult, urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import Field, StringConstraints, model_validator

from keepline.settings.section import Count, Seconds, Section, Texts

MOST_UPSTREAMS: Final = 64
_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}

Share = Annotated[float, Ge(0), Le(1)]
HttpPath = Annotated[str, StringConstraints(pattern=r"^(/[\x21-\x7e]*)?$", max_length=1_024)]


class Upstreams(Section):
    """The voice servers that devices are passed on to; docs/relay.md explains it.

    `urls` are `ws://` or `wss://`. The less loaded of two healthy ones is chosen, or with
    `sticky` always the same one for a device. `connects` may be under way to each.
    `failures` in a row, or `failure_share` of the last 20, eject one for `eject_s`, twice as
    long each time up to `eject_max_s`; beyond `most_ejected` of them all serve again. One that
    comes back takes its full share after `slow_start_s`. Every `check_s` (None: never) each is
    asked for `check_path` by HTTP, or without a path only for a connection.
    """

    urls: Texts = Field(default=(), repr=False)
    sticky: bool = False
    connects: Count = 32
    failures: Count = 5
    failure_share: Annotated[float, Gt(0), Le(1)] = 0.5
    eject_s: Seconds = 10.0
    eject_max_s: Seconds = 300.0
    most_ejected: Share = 0.5
    slow_start_s: Annotated[float, Ge(0), Le(3_600)] = 30.0
    check_path: HttpPath = ""
    check_s: Seconds | None = 10.0
    check_timeout_s: Seconds = 2.0

    @model_validator(mode="after")
    def _urls_are_different_upstreams(self) -> Self:
        if len(self.urls) > MOST_UPSTREAMS:
            raise ValueError(f"urls must be {MOST_UPSTREAMS} at most, not {len(self.urls)}")
        seen: dict[tuple[str, str, int, str], int] = {}
        for number, url in enumerate(self.urls, start=1):
            # A query may hold a secret, so the URL itself is not repeated.
            place = _place(url)
            if place is None:
                raise ValueError(
                    f"urls: number {number} must be ws://HOST/PATH or wss://HOST/PATH, without"
                    " a user or a fragment"
                )
            if place in seen:
                raise ValueError(f"urls: number {number} is the same as number {seen[place]}")
            seen[place] = number
        return self

    @model_validator(mode="after")
    def _ejections_grow(self) -> Self:
        if self.eject_max_s < self.eject_s:
            raise ValueError(
                f"eject_max_s must be at least eject_s ({self.eject_s:g}), not {self.eject_max_s:g}"
            )
        return self


def _place(url: str) -> tuple[str, str, int, str] | None:
    """Return what tells one upstream from another; None for what is no URL of one."""
    parts = _split(url)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    if "@" in parts.netloc or "#" in url:
        return None
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    return None if port == 0 else (parts.scheme, parts.hostname, port, parts.path or "/")


def _split(url: str) -> SplitResult | None:
    # What a request line cannot carry would end it early.
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
