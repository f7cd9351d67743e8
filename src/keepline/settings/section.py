"""What every section of the settings is made of."""

from __future__ import annotations

import re
from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

Port = Annotated[int, Ge(0), Le(65_535)]
# The upper bounds are where numbers turn absurd, and where the system's own types end.
Count = Annotated[int, Gt(0), Le(1_000_000_000)]
Seconds = Annotated[float, Gt(0), Le(31_536_000)]
# What can stand in an HTTP header without quoting.
Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=1_024)]


def split_texts(value: object) -> object:
    """Read `a, b` as a list: the environment and `--set` know text only."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(split_texts)]
"""Several texts; a list in TOML, separated by commas elsewhere."""


def check_web_address(url: str | None) -> None:
    """Raise ValueError for a URL that is none, which is not repeated: its path may be a secret."""
    if url is not None and not re.match(r"https?://[^/@]+(/|$)", url):
        raise ValueError("url must begin with http:// or https:// and a host, without a user")


class Section(BaseModel):
    """A frozen group of settings that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
