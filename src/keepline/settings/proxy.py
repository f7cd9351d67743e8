"""Whom to believe about whose connection it passes on."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from keepline.settings.section import Section, Texts


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"it takes addresses and networks like 10.0.0.0/8: {error}") from None
    return texts


class Proxy(Section):
    """Who stands in front, and how it says where a connection comes from.

    `header` is `proxy` for the PROXY protocol (version 1 or 2), `forwarded` for
    X-Forwarded-For and X-Forwarded-Proto. `trusted` lists the addresses and networks of the
    proxies: they are believed, nobody else is.
    """

    header: Literal["none", "proxy", "forwarded"] = "none"
    trusted: Annotated[Texts, AfterValidator(_networks)] = ()

    @model_validator(mode="after")
    def _somebody_is_trusted(self) -> Self:
        if self.header != "none" and not self.trusted:
            raise ValueError("trusted must name the proxies whose header is believed")
        return self
