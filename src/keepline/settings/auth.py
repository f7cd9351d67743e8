"""Who is let in."""

from __future__ import annotations

from pydantic import Field

from keepline.settings.section import Section, Token


class Auth(Section):
    """Who is let in: who shows `token`, or everybody when it is `None`."""

    token: Token | None = Field(default=None, repr=False)
