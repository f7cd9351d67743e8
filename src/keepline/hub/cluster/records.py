"""PURE: what stands in the streams, and under which subjects."""

from __future__ import annotations

import base64
import re
from typing import Final

from msgspec import DecodeError, Struct, ValidationError, json

DEVICES: Final = "GW_DEV"
"""Who holds which device and what it left; one record each under `gw.own` and `gw.state`."""

EVENTS: Final = "GW_EVENTS"

OWN: Final = "gw.own."
STATE: Final = "gw.state."
EVENT: Final = "gw.evt."
HEARTBEAT: Final = "gw.hb."
NODE: Final = "gw.node."

_PLAIN: Final = re.compile(r"[A-Za-z0-9_:-]+")
_CODED: Final = "="  # no plain id begins so


class Owner(Struct, frozen=True, omit_defaults=True):
    """Who holds a device; `life` is empty once it was given back, and `since` is when that was.

    What was left then is kept for `window_s`, and nothing is unless it `keeps`. `life` is one life
    of one process of the node of that name.
    """

    life: str
    node: str
    session: str
    since: float  # wall clock
    window_s: float = 0.0
    keeps: bool = False

    @property
    def is_released(self) -> bool:
        """Whether nobody holds the device."""
        return not self.life

    def is_over(self, wall: float) -> bool:
        """Whether the window has passed. A clock that went back lengthens none."""
        return wall - self.since >= self.window_s

    def away_s(self, wall: float) -> float:
        """Return for how long nobody has held the device."""
        return max(0.0, wall - self.since)


class Beat(Struct, frozen=True):
    """What a node tells of itself once a second; `leaves` is its last word."""

    node: str
    sessions: int
    limit: int
    draining: bool
    leaves: bool = False


encode: Final = json.Encoder().encode
_owner: Final = json.Decoder(Owner).decode
_beat: Final = json.Decoder(Beat).decode


def read_owner(data: bytes) -> Owner | None:
    """Return the record, None for one that nobody of us has written."""
    try:
        return _owner(data)
    except (DecodeError, ValidationError):
        return None


def read_beat(data: bytes) -> Beat | None:
    """Return the heartbeat, None for one that nobody of us has sent."""
    try:
        return _beat(data)
    except (DecodeError, ValidationError):
        return None


def token(name: str) -> str:
    """Return a device's id as one token of a subject; no two ids have the same."""
    if _PLAIN.fullmatch(name):
        return name
    coded = base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass"))
    return _CODED + coded.decode().rstrip(_CODED)


def name_of(subject_token: str) -> str:
    """Return the device's id that `token` has made this of. Raises ValueError."""
    if not subject_token.startswith(_CODED):
        return subject_token
    coded = subject_token[1:]
    padded = coded + _CODED * (-len(coded) % 4)
    return base64.urlsafe_b64decode(padded.encode()).decode("utf-8", "surrogatepass")
