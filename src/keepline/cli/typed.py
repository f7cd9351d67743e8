"""What several commands take from who types them: for how long, and who that is."""

from __future__ import annotations

import getpass
import re

from keepline.errors import StartError
from keepline.log import clean

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(text: str) -> float:
    """Return a time as it is typed behind `--for`. Raises StartError."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found is None or not int(found[1]):
        raise StartError(f"{clean(text)} is no time", "--for takes one like 90s, 30m, 2h or 1d")
    return int(found[1]) * _UNITS[found[2]]


def me() -> str:
    """Return the name of who types, "" where the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        return ""
