"""PURE: what a simulated device is doing, and what it wants done."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Phase(Enum):
    """What a device is doing."""

    OFF = "off"  # no channel, as far as it knows
    CONNECTING = "connecting"  # TCP
    UPGRADING = "upgrading"
    GREETING = "greeting"
    READY = "ready"
    SPEAKING = "speaking"  # the person speaks, the device streams
    WAITING = "waiting"  # for the answer, or hearing it
    DEAD = "dead"


class Action(Enum):
    """What is to be done with the socket, after the bytes are written."""

    CONNECT = "connect"  # drop the one there may be, open a new one
    HANG_UP = "hang_up"  # close TCP; there is no Close frame
    RESET = "reset"  # the same, with a RST
    FREEZE = "freeze"  # write nothing any more, leave it open, and watch what becomes of it
    PAUSE = "pause"  # read nothing
    RESUME = "resume"


class Reaction(NamedTuple):
    """What a device wants done: `data` written, then `action` taken."""

    data: bytes = b""
    action: Action | None = None


NOTHING: Final = Reaction()
