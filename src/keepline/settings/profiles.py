"""Kinds of devices by name: the two that are built in, and what the operator adds."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from keepline.lifecycle.profile import BUILT_IN, Profile
from keepline.settings.section import split_texts

_BUILT_IN: Final = {profile.name: profile for profile in BUILT_IN}
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def built_in() -> dict[str, Profile]:
    """Return the profiles of a gateway that was told of none."""
    return dict(_BUILT_IN)


def named(name: str) -> Profile:
    """Return what a profile `name` is before anything was set in it."""
    return _BUILT_IN.get(name) or replace(_BUILT_IN["xiaozhi"], name=name)


def _completed(value: object) -> object:
    """Give each table what it leaves out, and add the built-in profiles that were not named."""
    if not isinstance(value, dict):
        return value
    completed: dict[str, Any] = {name: _one(name, table) for name, table in value.items()}
    for name, profile in _BUILT_IN.items():
        completed.setdefault(name, profile)
    return completed


def _one(name: str, table: object) -> object:
    if not isinstance(table, dict):
        return table
    given = {**asdict(named(name)), **table, "name": name}
    return {**given, "match": split_texts(given["match"])}


def _usable(profiles: Mapping[str, Profile]) -> Mapping[str, Profile]:
    for name, profile in profiles.items():
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a profile: up to 32 of a-z, 0-9, _ and -, a letter first"
            )
        if name not in _BUILT_IN and not profile.match:
            known = " and ".join(_BUILT_IN)
            raise ValueError(
                f"{name}.match must be given: no device would ever use this profile"
                f" (built in are {known})"
            )
    return profiles


Profiles: TypeAlias = Annotated[
    dict[str, Profile], BeforeValidator(_completed), AfterValidator(_usable)
]
