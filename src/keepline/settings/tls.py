"""How devices' connections are encrypted."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Self

from pydantic import model_validator

from keepline.settings.section import Section


class Tls(Section):
    """TLS on the devices' port, when `certificate` is given: a PEM file with its whole chain.

    `key` is the file of its private key, None when that is in the same file. With `client_ca`
    only devices that show a certificate of one of these authorities are let in.
    """

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    @model_validator(mode="after")
    def _all_or_nothing(self) -> Self:
        if self.certificate is None and (self.key is not None or self.client_ca is not None):
            raise ValueError("certificate is needed, too: without it nothing is encrypted")
        return self
